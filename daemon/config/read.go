package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxSize is the most bytes that a file may have.
const MaxSize = 16 << 20

// File is one configuration file as it was read.
type File struct {
	Name string // its path
	Data []byte
	Mode fs.FileMode
	Err  error // why it could not be read: Parse reports it among the other faults
}

// Read reads the configuration at path: one file, or a directory with
// twinspan.toml and conf.d/*.toml, in that order, the latter sorted by name.
// Its error is Faults, for when there is no file at all; one that cannot be
// read has its Err, so that it does not hide what is wrong in the others.
func Read(path string) ([]File, error) {
	names, err := list(path)
	if err != nil {
		return nil, Faults{{File: path, What: reason(err), Do: "say where the configuration is"}}
	}
	if len(names) == 0 {
		return nil, Faults{{File: path, What: "there is no twinspan.toml in this directory, and no conf.d/*.toml",
			Do: "write twinspan.toml there, or name another directory or a file"}}
	}
	var files []File
	for _, name := range names {
		f, err := ReadFile(name)
		if err != nil {
			f = File{Name: name, Err: err}
		}
		files = append(files, f)
	}
	return files, nil
}

// list names the files of a configuration.
func list(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	if main := filepath.Join(path, "twinspan.toml"); exists(main) {
		names = append(names, main)
	}
	dir := filepath.Join(path, "conf.d")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries { // ReadDir sorts them
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") { // editors leave hidden ones
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return slices.Clip(names), nil
}

// exists is also true of what cannot be looked at, and of a link that leads
// nowhere: ReadFile says why.
func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// ReadFile reads one file of at most MaxSize bytes. Its errors do not repeat
// the file's name.
func ReadFile(name string) (File, error) {
	if info, err := os.Stat(name); err != nil { // before Open: opening a pipe would wait
		return File{}, errors.New(reason(err))
	} else if !info.Mode().IsRegular() {
		return File{}, errors.New("this is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return File{}, errors.New(reason(err))
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, so that the mode is that of the data
	if err != nil {
		return File{}, errors.New(reason(err))
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return File{}, errors.New(reason(err))
	}
	if len(data) > MaxSize {
		return File{}, errTooLarge
	}
	return File{Name: name, Data: data, Mode: info.Mode()}, nil
}

var errTooLarge = fmt.Errorf("this file has more than %d MB", MaxSize>>20)

// reason is an error of the file system without the path, which the Fault has.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return "cannot be read: " + p.Err.Error()
	}
	return "cannot be read: " + err.Error()
}
