// Package apicheck finds out what a package exports beyond what a conformance
// program mentions. The programs are in its sub-packages.
package apicheck

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Additions returns the exported constants, variables, functions, types, struct
// fields and methods of the package with import path pkg that none of the Go
// files mentions, sorted, as "Name" or "Type.Name". Each file is a program of
// its own. It runs the go command, in the module of the working directory.
func Additions(pkg string, files ...string) ([]string, error) {
	fset := token.NewFileSet()
	paths := []string{pkg}
	var programs []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			return nil, err
		}
		programs = append(programs, f)
		for _, im := range f.Imports {
			paths = append(paths, strings.Trim(im.Path.Value, `"`))
		}
	}
	exports, err := exportData(paths)
	if err != nil {
		return nil, err
	}
	imp := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	checked, err := imp.Import(pkg)
	if err != nil {
		return nil, err
	}
	used := make(map[types.Object]bool)
	for _, f := range programs {
		info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
		if _, err := (&types.Config{Importer: imp}).Check("conformance", fset, []*ast.File{f}, info); err != nil {
			return nil, err
		}
		for _, o := range info.Uses {
			used[o] = true
		}
	}
	var additions []string
	walk(checked.Scope(), func(o types.Object, name string) {
		if !used[o] {
			additions = append(additions, name)
		}
	})
	slices.Sort(additions)
	return additions, nil
}

// exportData returns the files with the compiler's export data of the packages
// and all they import.
func exportData(paths []string) (map[string]string, error) {
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, paths...)
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.Bytes())
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && file != "" {
			files[path] = file
		}
	}
	return files, nil
}

// walk notes everything exported in a package's scope.
func walk(scope *types.Scope, note func(types.Object, string)) {
	for _, name := range scope.Names() {
		o := scope.Lookup(name)
		if !o.Exported() {
			continue
		}
		note(o, name)
		tn, ok := o.(*types.TypeName)
		if !ok {
			continue
		}
		switch t := tn.Type().Underlying().(type) {
		case *types.Struct:
			fields(t, name, note)
		case *types.Interface:
			for m := range t.ExplicitMethods() {
				note(m, name+"."+m.Name())
			}
		}
		if named, ok := types.Unalias(tn.Type()).(*types.Named); ok && !types.IsInterface(named) {
			for m := range named.Methods() {
				if m.Exported() {
					note(m, name+"."+m.Name())
				}
			}
		}
	}
}

// fields notes exported fields, also those promoted from an unexported
// embedded struct.
func fields(st *types.Struct, owner string, note func(types.Object, string)) {
	for f := range st.Fields() {
		if f.Exported() {
			note(f, owner+"."+f.Name())
		} else if f.Embedded() {
			if in, ok := f.Type().Underlying().(*types.Struct); ok {
				fields(in, owner, note)
			}
		}
	}
}
