"""For locust's own page: `locust -f load_tests/locustfile.py --host http://127.0.0.1:8460`."""

from load_tests.users import AgentUser, HelloUser, ManagerUser

__all__ = ["AgentUser", "HelloUser", "ManagerUser"]
