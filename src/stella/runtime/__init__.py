"""All input and output: clocks, files, configuration, the egress guard."""
