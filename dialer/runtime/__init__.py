"""The thin shell: loops, sweeps and clocks around the pure core."""
