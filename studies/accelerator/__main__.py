"""`python -m studies.accelerator`."""

from studies import accelerator, script

if __name__ == "__main__":
    script.main(accelerator.__doc__, accelerator.add_flags, accelerator.run, accelerator.SMOKE)
