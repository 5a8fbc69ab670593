// Package server answers requests.
package server

import (
	"fmt"
	"net/http"

	log "example.com/app/logging"
	_ "embed"
	. "strings"
)

// MaxConns is how many connections are open at most.
const MaxConns = 64

const (
	stateIdle = iota
	stateBusy
)

var ErrClosed = fmt.Errorf("server: closed")

// Handler answers one request.
type Handler interface {
	http.Handler
	Serve(w http.ResponseWriter, r *Request) error
}

// Server listens on an address.
type Server struct {
	*Base
	Addr    string
	handler Handler
}

type ID = string
type Hook func(s *Server)

// New makes a server. It does not listen yet.
func New(addr string, handler Handler) *Server {
	s := &Server{Addr: addr, handler: handler}
	log.Info("made", s)
	return s
}

// Listen serves until it is closed.
func (s *Server) Listen(hooks ...Hook) error {
	for _, hook := range hooks {
		hook(s)
	}
	if s.isClosed() {
		return ErrClosed
	}
	return http.ListenAndServe(ToLower(s.Addr), http.HandlerFunc(s.answer))
}

func (s *Server) isClosed() bool { return s.handler == nil }
