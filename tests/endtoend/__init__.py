"""The command line as a person's script runs it: a process of its own against real programs and hostile servers."""
