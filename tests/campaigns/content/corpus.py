"""What must be refused and what must pass, as collectors have written it."""

from __future__ import annotations

DEBT = """
Le escribimos por su deuda
Tiene una cuenta vencida
Su cuenta está en mora
Departamento de Cobranza
Gestión de cobro
Usted adeuda a nuestro cliente
Su saldo pendiente
Realice su pago hoy
Su cuota venció
Evítese recargos: pague ya
Regularice su situación
Póngase al corriente
Su crédito presenta atraso
Convenio de pago disponible
Cartera castigada
Descuento del 40 por ciento en su saldo
Obtenga su finiquito
Le recordamos su compromiso
Recuperación de cartera
Figura en el buró
Aparece en DICOM
Registrado en INFOCORP
Reportado como moroso
Su préstamo sigue impago
Intereses moratorios
Estado de cuenta adjunto
Abono a su tarjeta
Incumplimiento de su contrato
Refinancie su hipoteca
Le llamamos del banco acreedor
This is about your debt
Your account is past due
Collections department
A debt collector will call you
You owe our client
Outstanding balance
Make a payment today
Your account is delinquent
Accounts receivable management
Overdue notice enclosed
Settle your account
Late fees apply
Your loan is in default
Amount due now
Your unpaid invoice
Charged off account
Creditor services
Asset recovery unit: recovery department
Bankruptcy information
Please pay by phone
Tiene un cargo pendiente
Póngase al día con nosotros
Salde su cuenta
""".strip().splitlines()
"""Tells of a debt: refused in a neutral text."""

OBFUSCATED = """
d e u d a
D E U D A
d.e.u.d.a
d-e-u-d-a
d_e_u_d_a
d*e*u*d*a
d3uda
d3ud4
D€UD4
deu da
deu-da
co-bran-za
c0branza
c0br0
m0ra
m0r0s0
DEUDА
dеudа
d\u200be\u200bu\u200bd\u200ba
deu\u200bda
deu\u00adda
deu\u2060da
déúdà
d\u0336e\u0336u\u0336d\u0336a\u0336
deuuuuda
deudda
ⓓⓔⓤⓓⓐ
ｄｅｕｄａ
𝐝𝐞𝐮𝐝𝐚
𝒹𝑒𝓊𝒹𝒶
d😀e😀u😀d😀a
d|e|u|d|a
deud@
m o r o s o
c o b r o
embarg0
3mbargo
e m b a r g o
d3bt
d e b t
de-bt
d\u200debt
p@st du3
0verdue
c0llecti0n
col lection
c.o.l.l.e.c.t
l0an
ju1c1o
2deuda
p.a.s.t d.u.e
ᴅᴇᴜᴅᴀ
d\u01dduda
pɑgo
juzg4do
""".strip("\n").splitlines()
"""The same words, hidden from a simple filter: refused in a neutral text."""

COURT = """
NOTIFICACIÓN JUDICIAL
Cédula de notificación
Citatorio urgente
Emplazamiento a juicio
Se le ha demandado
Demanda en su contra
Orden de embargo
Embargaremos sus bienes
Mandamiento de ejecución
Requerimiento previo
Expediente 4521/2026
Juzgado Tercero de lo Civil
Ante el juez competente
Tribunal Superior
Corte Suprema de Justicia
Poder Judicial
Procedimiento extrajudicial
Diligencia de embargo
Orden de aprehensión
Denuncia penal
Será citado a comparecer
Ministerio Público
Fiscalía de la República
Remate de sus bienes
Desalojo de su vivienda
Superintendencia de Bancos
Actuario adscrito
Exhorto número 7
Sentencia firme
Proceso legal iniciado
Notice of lawsuit
You have been sued
Court summons enclosed
Subpoena for appearance
Warrant for your arrest
Garnishment of wages
Notice of levy
Lien on your home
Judgment against you
Plaintiff versus defendant
Docket 22-1045
Sheriff sale
County marshal
You are hereby notified
Official notice
District Attorney referral
Criminal charges
Affidavit of service
Foreclosure proceedings
Bailiff visit
""".strip().splitlines()
"""Looks as if a court or an authority had sent it: refused in every text."""

THREATS = """
Última oportunidad
Último aviso
Tomaremos acciones legales
Habrá consecuencias
De lo contrario actuaremos
Informaremos a su empleador
Avisaremos a su familia
Lo diremos a sus vecinos
Iremos a su domicilio
Llame de inmediato
Es urgente
Tiene 24 horas
Será reportado
No nos obligue
Perderá su patrimonio
Lista negra
Sus bienes responden
So pena de
Last chance
Final notice
Legal action will follow
Or else
Act immediately
Urgent message
We will tell your employer
Your neighbors will know
Your wages are at risk
Credit bureau
Ruin your score
Act now
""".strip().splitlines()
"""Pressure and threats: refused in every text."""

ATTORNEYS = """
Despacho jurídico Ríos
Habla el abogado Ríos
Bufete Ríos y asociados
Departamento legal
Licenciado en derecho
Notaría 14
Law Offices of Smith
Your attorney will call
From the legal department
John Smith, Esquire
""".strip().splitlines()

LOUD = """
LLAME HOY MISMO
COMUNIQUESE CON NOSOTROS
Llame hoy!!!
Atención ⚠ importante
Lea esto 🚨
Lea esto ⚖
¡¡¡Llame!!!
CALL US TODAY
""".strip().splitlines()

MONEY = """
Son $ 1.500
Son $1,500.00
Son 1.500 pesos
Son MXN 350
Son 350 USD
Son S/ 350.00
Son 350 €
Son 12,345.67
Son 12.345
Son 250 mil
Pay nothing: 50%
Son quinientos dólares
""".strip().splitlines()

LINKS = """
http://portal.example/v
https://bit.ly/3xYz
https://pagos.empresa.example/v
https://mideuda.example
https://portal.example/cobranza/7
https://debt-relief.example
https://192.168.1.10/v
https://xn--80ak6aa92e.example
https://chat.whatsapp.com/AbCd
www.cobranzas.cl
https://legalcollections.example/a
""".strip().splitlines()

NEUTRAL = """
Hola, Ana. Le escribe Servicios BP.
Buenos días. Queremos hablar con usted de un asunto personal.
Por favor llámenos cuando pueda.
Estamos disponibles de lunes a viernes de 9 a 18 h.
Nuestro horario es de 9.30 a 18.00.
Puede escribirnos por este medio.
Si usted no es esa persona, avísenos y borraremos su número.
Si este no es un buen momento, díganos cuándo prefiere.
Sin embargo, puede llamar también el sábado.
Le devolvemos la llamada que nos hizo ayer.
Tenemos un mensaje personal para usted.
Verifique que es usted en nuestra página.
Puede leer el mensaje en https://portal.example/v/7K2
Nuestra página es www.empresa.example
Escriba a contacto@empresa.example
Clientes: https://clientes.empresa.example/v/1
Puede visitarnos en Avenida Central 1520, piso 4.
Gracias por su tiempo.
Que tenga un buen día.
¿A qué hora podemos llamarle?
Quedamos a su disposición.
Pregunte por Laura Cortés.
Atentamente, Marcos Demaría
Llame al 600 555 0100 o al +56 2 2555 0100.
Llame al 55.1234.5678 en la Ciudad de México.
Marque 202.555.0123 desde Estados Unidos.
Su cita con nosotros es el martes.
Le enviamos el documento que pidió.
Confirme por favor su dirección de correo.
¿Sigue siendo este su número?
No compartiremos sus datos con nadie.
Debido a la alta demanda de llamadas, la espera puede ser larga.
Si la demora le molesta, escríbanos.
Nuestro equipo habla español e inglés.
Hay novedades sobre su solicitud del 5 de noviembre de 2026.
El folio de su consulta es P-7K2.
Le atiende la oficina de la calle Morelos.
Estamos en Avenida Central 5, s/n; obs 7.
Memoria de su visita: la guardamos un año.
La cobertura de nuestra línea es nacional.
El cobre y la plata no nos conciernen.
Hello Mary, this is BP Services.
We would like to talk to you about a personal matter.
Please call us when you can.
We are open Monday to Friday from 9 am to 6 pm.
If you are not that person, please tell us.
If this is not a good time, tell us when to call.
Due to the number of calls, you may have to wait.
You can read the message at https://portal.example/v/7K2
Our office is at 1520 Main Street, Suite 4.
Ask for Robin Smith or any representative.
Call 1-800-555-0100 or (202) 555-0123.
Thank you for your time.
Is this still your number?
We speak English and Spanish.
We will not share your information with anybody.
Please confirm your e-mail address.
Have a nice day!
Please check the address of your appointment.
We returned your call of yesterday.
You may answer this message at any time.
We look forward to hearing from you.
We are available 24 hours a day.
Atendemos las 24 horas del día.
Pregunte por Jailene Montoya, sin obligación.
""".strip().splitlines()
"""Refused by nobody, in a neutral text."""

VERIFIED = """
Su saldo al día de hoy puede cambiar si hay abonos en camino.
Puede pagar en cuotas; pregúntenos cómo.
Esto no es un procedimiento judicial ni de un embargo.
Si ya pagó, envíenos el comprobante.
El monto incluye intereses y cargos del acreedor.
Si tiene dificultades, podemos buscar otra forma de pago.
Puede reclamar por escrito o por teléfono.
Gracias por su pago.
Le enviamos la factura que pidió.
Su préstamo tiene tres cuotas pendientes.
Recibimos $ 1.500 y quedan $ 3.000.
This is an attempt to collect a debt and any information obtained will be used for that purpose.
This communication is from a debt collector.
You can pay in installments; ask us how.
The balance includes interest and fees of the creditor.
If you are having difficulties, we can look for another way to pay.
You can dispute the debt in writing or by phone.
Thank you for your payment.
We received $1,500.00 and $3,000.00 remain.
Your loan has three installments left.
""".strip().splitlines()
"""Refused by nobody, in a text to a verified person."""
