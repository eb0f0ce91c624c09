package aws

import "context"

// An Operation is one operation of a service, as its client has it for a method:
//
//	var send Operation[ssm.SendCommandInput, ssm.SendCommandOutput, ssm.Options] = ssm.NewFromConfig(c).SendCommand
//
// Sources and receivers keep the operations that they ask for, and not the client. In a
// program with templates, which may call any method by its name, the linker keeps all
// methods of each type that an interface leads to: of a *ssm.Client in a receiver all 150
// operations of SSM, a megabyte or two that nobody calls.
type Operation[In, Out, Options any] func(context.Context, *In, ...func(*Options)) (*Out, error)
