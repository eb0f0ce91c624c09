// Command tocsin takes in Amazon GuardDuty findings and tells the people who own
// them. See tocsin --help, and the package documentation of internal/cli.
package main

import (
	"os"

	"github.com/tocsin-sec/tocsin/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
