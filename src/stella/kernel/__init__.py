"""Pure core: values in, values or typed errors out. Never reads a clock, randomness, a file or a socket."""
