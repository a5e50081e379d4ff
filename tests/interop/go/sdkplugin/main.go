// A data source plugin of protocol version 2 on Grafana's current SDK, for tests against our host.
//
// What it answers under a refId is what the query's model asks for:
//
//	{"do":"kinds"}                     a frame with a column of every type, and one that says it in JSON
//	{"do":"series","rows":n}           a frame of n times and sines
//	{"do":"context"}                   the context and the headers of the call, as JSON
//	{"do":"error","text":"…","status":404,"source":"downstream"}  an error under this refId
//	{"do":"fail","text":"…"}           an error of the whole call, downstream
//	{"do":"panic","text":"…"}          a panic
//	{"do":"sleep"}                     nothing, until the call is cancelled
//	{"do":"cancelled"}                 how many calls and streams were cancelled
//
// Asked in pieces, it answers series as three frames of n rows each.
//
// Resources: echo, parts (three of them), wait (until the call is cancelled), panic. Channels: numbers/<from>/<to>
// sends these numbers and, with /on behind them, stays; closed; failing; broken; all others are not found.
// Data sources whose url is broken, unwell or failing are that.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync/atomic"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"google.golang.org/protobuf/encoding/protojson"
)

type model struct {
	Do     string `json:"do"`
	Rows   int    `json:"rows"`
	Text   string `json:"text"`
	Status int    `json:"status"`
	Source string `json:"source"`
}

var cancelled atomic.Int64 // calls and streams, of all instances

// note counts a call that was cancelled, when it ends.
func note(ctx context.Context) {
	if ctx.Err() != nil {
		cancelled.Add(1)
	}
}

// untilCancelled ends with the call that it is part of.
func untilCancelled(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

type source struct {
	backend.CallResourceHandler
}

func newSource(_ context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	if settings.URL == "broken" {
		return nil, errors.New("this data source cannot be made")
	}
	return &source{httpadapter.New(resources())}, nil
}

func (s *source) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	defer note(ctx)
	answer := backend.NewQueryDataResponse()
	for _, query := range request.Queries {
		var asked model
		if err := json.Unmarshal(query.JSON, &asked); err != nil {
			return nil, err
		}
		one, err := s.answer(ctx, asked, request)
		if err != nil {
			return nil, err
		}
		answer.Responses[query.RefID] = one
	}
	return answer, nil
}

func (s *source) answer(ctx context.Context, asked model, request *backend.QueryDataRequest) (backend.DataResponse, error) {
	switch asked.Do {
	case "kinds":
		return frames(kinds(), inJSON(kinds())), nil
	case "series":
		return frames(series(0, asked.Rows)), nil
	case "context":
		text, err := protojson.Marshal(backend.ToProto().PluginContext(request.PluginContext))
		if err != nil {
			return backend.DataResponse{}, err
		}
		headers, err := json.Marshal(request.Headers)
		return frames(data.NewFrame("", data.NewField("context", nil, []string{string(text)}),
			data.NewField("headers", nil, []string{string(headers)}))), err
	case "error":
		source := backend.ErrorSource(asked.Source)
		return backend.ErrDataResponseWithSource(backend.Status(asked.Status), source, asked.Text), nil
	case "fail":
		return backend.DataResponse{}, backend.DownstreamError(errors.New(asked.Text))
	case "panic":
		panic(asked.Text)
	case "sleep":
		return backend.DataResponse{}, untilCancelled(ctx)
	case "cancelled":
		return frames(data.NewFrame("", data.NewField("calls", nil, []int64{cancelled.Load()}))), nil
	}
	return backend.DataResponse{}, errors.New("nothing is known of " + asked.Do)
}

func (s *source) QueryChunkedData(ctx context.Context, request *backend.QueryChunkedDataRequest, writer backend.ChunkedDataWriter) error {
	defer note(ctx)
	for _, query := range request.Queries {
		var asked model
		if err := json.Unmarshal(query.JSON, &asked); err != nil {
			return err
		}
		var err error
		switch asked.Do {
		case "series":
			for piece := 0; piece < 3 && err == nil; piece++ {
				err = writer.WriteFrame(ctx, query.RefID, "f0", series(piece*asked.Rows, asked.Rows))
			}
		case "error":
			err = writer.WriteError(ctx, query.RefID, backend.Status(asked.Status), errors.New(asked.Text))
		case "fail":
			err = backend.DownstreamError(errors.New(asked.Text))
		case "sleep":
			if err = writer.WriteFrame(ctx, query.RefID, "f0", series(0, 1)); err == nil {
				err = untilCancelled(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *source) CheckHealth(_ context.Context, request *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	settings := request.PluginContext.DataSourceInstanceSettings
	switch settings.URL {
	case "unwell":
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: "it is unwell"}, nil
	case "failing":
		return nil, errors.New("the check failed")
	}
	details, err := json.Marshal(map[string]any{"secret": settings.DecryptedSecureJSONData["key"]})
	return &backend.CheckHealthResult{
		Status: backend.HealthStatusOk, Message: settings.Name + " is well", JSONDetails: details,
	}, err
}

func frames(all ...*data.Frame) backend.DataResponse {
	return backend.DataResponse{Frames: all}
}

func main() {
	options := datasource.ManageOpts{AdmissionHandler: admission{}, ConversionHandler: admission{}}
	if err := datasource.Manage("interop-datasource", newSource, options); err != nil {
		backend.Logger.Error(err.Error())
		os.Exit(1)
	}
}
