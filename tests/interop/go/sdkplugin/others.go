package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func resources() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			panic(err)
		}
		writer.Header().Set("Content-Type", "application/json")
		writer.Header()["X-Many"] = []string{"a", "b"}
		writer.WriteHeader(http.StatusTeapot)
		json.NewEncoder(writer).Encode(map[string]any{
			"method": request.Method, "path": request.URL.Path, "query": request.URL.RawQuery,
			"asked": request.Header["X-Asked"], "body": string(body),
		})
	})
	mux.HandleFunc("/parts", func(writer http.ResponseWriter, _ *http.Request) {
		for part := range 3 {
			fmt.Fprintf(writer, "part %d;", part)
			writer.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/wait", func(writer http.ResponseWriter, request *http.Request) {
		defer note(request.Context())
		fmt.Fprint(writer, "waiting")
		writer.(http.Flusher).Flush()
		untilCancelled(request.Context())
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("no such resource") })
	return mux
}

func (s *source) SubscribeStream(_ context.Context, request *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	switch name, _, _ := strings.Cut(request.Path, "/"); name {
	case "numbers", "broken":
		initial, err := backend.NewInitialData(request.Data)
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK, InitialData: initial}, err
	case "closed":
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusPermissionDenied}, nil
	case "failing":
		return nil, errors.New("no subscribing")
	}
	return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
}

func (s *source) PublishStream(_ context.Context, request *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	switch request.Path {
	case "closed":
		return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
	case "failing":
		return nil, errors.New("no publishing")
	}
	return &backend.PublishStreamResponse{
		Status: backend.PublishStreamStatusOK, Data: fmt.Appendf(nil, `{"published":%s}`, request.Data),
	}, nil
}

func (s *source) RunStream(ctx context.Context, request *backend.RunStreamRequest, sender *backend.StreamSender) error {
	defer note(ctx)
	var from, to int
	if _, err := fmt.Sscanf(request.Path, "numbers/%d/%d", &from, &to); err != nil {
		return errors.New("the stream is broken")
	}
	for number := from; number < to; number++ {
		if err := sender.SendJSON(fmt.Appendf(nil, `{"n":%d}`, number)); err != nil {
			return err
		}
	}
	if strings.HasSuffix(request.Path, "/on") {
		return untilCancelled(ctx)
	}
	return nil
}

// admission refuses objects that say "bad", and adds to or changes the others.
type admission struct{}

func refused(object []byte) *backend.StatusResult {
	if !bytes.Contains(object, []byte("bad")) {
		return nil
	}
	return &backend.StatusResult{Status: "Failure", Message: "it is bad", Reason: "Invalid", Code: 422}
}

func (admission) ValidateAdmission(_ context.Context, request *backend.AdmissionRequest) (*backend.ValidationResponse, error) {
	if len(request.ObjectBytes) == 0 {
		return nil, errors.New("nothing to validate")
	}
	why := refused(request.ObjectBytes)
	warning := fmt.Sprintf("%s of %s", request.Operation, request.Kind.Kind)
	return &backend.ValidationResponse{Allowed: why == nil, Result: why, Warnings: []string{warning}}, nil
}

func (admission) MutateAdmission(_ context.Context, request *backend.AdmissionRequest) (*backend.MutationResponse, error) {
	if len(request.ObjectBytes) == 0 {
		return nil, errors.New("nothing to mutate")
	}
	why := refused(request.ObjectBytes)
	object := fmt.Appendf(nil, `{"old":%s,"new":%s}`, request.OldObjectBytes, request.ObjectBytes)
	return &backend.MutationResponse{Allowed: why == nil, Result: why, ObjectBytes: object}, nil
}

func (admission) ConvertObjects(_ context.Context, request *backend.ConversionRequest) (*backend.ConversionResponse, error) {
	if len(request.Objects) == 0 {
		return nil, errors.New("nothing to convert")
	}
	answer := &backend.ConversionResponse{UID: request.UID}
	for _, object := range request.Objects {
		answer.Result = refused(object.Raw)
		raw := fmt.Appendf(nil, `{"%s":%s}`, request.TargetVersion.Version, object.Raw)
		answer.Objects = append(answer.Objects, backend.RawObject{Raw: raw, ContentType: object.ContentType})
	}
	return answer, nil
}
