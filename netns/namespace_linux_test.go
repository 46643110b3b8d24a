package netns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace. It has no name in the file system: it ends
// when it has been closed here and the last process in it is gone.
type namespace struct {
	file *os.File
}

// newNamespace makes an empty one.
func newNamespace() (*namespace, error) {
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{err: os.NewSyscallError("unshare", err)}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{f, err}
	}()
	r := <-made
	if r.err != nil {
		return nil, r.err
	}
	return &namespace{r.file}, nil
}

func (ns *namespace) close() { ns.file.Close() }

// do calls f on a thread in the namespace: sockets that it opens and processes
// that it starts are in there.
func (ns *namespace) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // as above
		err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// run runs a command in the namespace to its end. In the command, the file
// names in more are at /proc/self/fd/3 and onwards.
func (ns *namespace) run(line string, more ...*os.File) (out string, err error) {
	cmd := command(line)
	cmd.ExtraFiles = more
	err = ns.do(func() (err error) {
		out, err = output(cmd)
		return err
	})
	return out, err
}

// start starts a process in the namespace.
func (ns *namespace) start(cmd *exec.Cmd) error {
	if err := ns.do(cmd.Start); err != nil {
		return fmt.Errorf("%s: %w", cmd.Path, err)
	}
	return nil
}
