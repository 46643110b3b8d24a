package testkit

import (
	"reflect"
	"runtime/debug"
	"testing"
)

// BuiltOnThisLibrary checks that memberlist, the type that the test knows as
// Memberlist of github.com/hashicorp/memberlist, is this library's, that the
// other library is in the program only as dropin, and that user, the module
// that uses it, is the published one. The test's module lies two folders below
// the root.
func BuiltOnThisLibrary(t *testing.T, memberlist reflect.Type, user string) {
	t.Helper()
	if got := memberlist.PkgPath(); got != "github.com/swimguard/memberlist" {
		t.Errorf("Memberlist is a type of %s", got)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test was built without module information")
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/hashicorp/memberlist" && (m.Replace == nil || m.Replace.Path != "../../dropin") {
			t.Errorf("%s is in this program, and not replaced: %+v", m.Path, m.Replace)
		}
		if m.Path == user && m.Replace != nil {
			t.Errorf("%s is not the published one but %s", m.Path, m.Replace.Path)
		}
	}
}
