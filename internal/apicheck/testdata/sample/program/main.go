// Command program mentions some of what package sample exports.
package main

import "github.com/swimguard/memberlist/internal/apicheck/testdata/sample"

func main() {
	s := sample.Struct{Used: 1}
	s.Known()
}
