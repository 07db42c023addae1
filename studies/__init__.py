"""Questions put to the harness, with the scripts that answer them; answers are in README.md."""
