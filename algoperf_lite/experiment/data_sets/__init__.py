"""The data sets of full scale on this machine's disks: what is there, what it is worth, how to get
it. Nothing here loads JAX."""
