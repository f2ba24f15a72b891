"""`python -m deployer`: the console command where its script is not on the PATH."""

from deployer.cli import main

main()
