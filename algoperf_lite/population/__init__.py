"""Many members trained as one program, and population based training."""
