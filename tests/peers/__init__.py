"""Real SIP and media programs that the tests talk to: started here, on free ports, and ended here."""
