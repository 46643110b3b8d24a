// Package sample exports one thing of each kind.
package sample

const Const = 1

var Var, unexported = 1, 2

func Func() {}

type Interface interface{ Method() }

type Value int

type promoted struct{ Promoted, hidden int }

type Struct struct {
	promoted
	Field, Used, hidden int
}

func (*Struct) Method() {}
func (Struct) Known()   {}
func (Struct) private() {}
