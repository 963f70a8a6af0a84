"""The stress tool: thousands of players against one turn server, from as many processes and machines as are needed.

commands ── fleet ── worker process ── generator ── player ── TurnClient
   │                                                   └─ conversation (checks what the partner says)
   └─ results (added up over processes and machines) ── summary, plots, webpage
"""
