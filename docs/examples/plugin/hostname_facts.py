def read(facts):
    """Read the table: called once a host, when a check first asks for it."""
    return facts.run(["uname", "-n"]).expect(0).out.strip()
