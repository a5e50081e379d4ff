// A data source plugin of protocol version 1 on the public modules, for tests against our host.
//
// What it answers under a refId is what the query's model asks for:
//
//	{"do":"series","series":2,"points":100}  that many series named "go", tagged with their number
//	{"do":"table"}                            one table with a cell of every kind
//	{"do":"echo"}                             the request as it arrived, as JSON in metaJson
//	{"do":"error","text":"…"}                 an error under this refId
//	{"do":"fail","text":"…"}                  an error of the whole call
//	{"do":"log","text":"…"}                   one record of every level on stderr, a print, and a panic-like line
//	{"do":"exit","status":3}                  the process ends
//	{"do":"sleep","ms":100}                   an answer after a while, or never when the call is cancelled
//	{"do":"large","bytes":100000000}          a cell of that many bytes
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/golang/protobuf/jsonpb"
	"github.com/grafana/grafana-plugin-model/go/datasource"
	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
)

type model struct {
	Do     string `json:"do"`
	Text   string `json:"text"`
	Series int    `json:"series"`
	Points int    `json:"points"`
	Status int    `json:"status"`
	Millis int    `json:"ms"`
	Bytes  int    `json:"bytes"`
}

type source struct {
	plugin.NetRPCUnsupportedPlugin
	log hclog.Logger
}

func (s *source) Query(ctx context.Context, request *datasource.DatasourceRequest) (*datasource.DatasourceResponse, error) {
	response := &datasource.DatasourceResponse{}
	for _, query := range request.Queries {
		var asked model
		if err := json.Unmarshal([]byte(query.ModelJson), &asked); err != nil {
			return nil, err
		}
		result := &datasource.QueryResult{RefId: query.RefId}
		switch asked.Do {
		case "series":
			result.Series = waves(asked.Series, asked.Points)
		case "table":
			result.Tables = []*datasource.Table{everyKind()}
		case "echo":
			text, err := (&jsonpb.Marshaler{}).MarshalToString(request)
			if err != nil {
				return nil, err
			}
			result.MetaJson = text
		case "error":
			result.Error = asked.Text
		case "fail":
			return nil, errors.New(asked.Text)
		case "log":
			s.speak(asked.Text)
		case "exit":
			os.Exit(asked.Status)
		case "sleep":
			select {
			case <-time.After(time.Duration(asked.Millis) * time.Millisecond):
			case <-ctx.Done():
				s.log.Info("call cancelled")
				return nil, ctx.Err()
			}
		case "large":
			result.Tables = []*datasource.Table{oneCell(strings.Repeat("x", asked.Bytes))}
		}
		response.Results = append(response.Results, result)
	}
	return response, nil
}

func waves(series, points int) []*datasource.TimeSeries {
	all := make([]*datasource.TimeSeries, series)
	for i := range all {
		one := &datasource.TimeSeries{Name: "go", Tags: map[string]string{"number": strconv.Itoa(i)}}
		for j := 0; j < points; j++ {
			one.Points = append(one.Points, &datasource.Point{
				Timestamp: 1555324640782 + int64(j)*1000,
				Value:     math.Sin(float64(j)/10) * 100,
			})
		}
		all[i] = one
	}
	return all
}

func everyKind() *datasource.Table {
	return &datasource.Table{
		Columns: []*datasource.TableColumn{
			{Name: "null"}, {Name: "double"}, {Name: "int"}, {Name: "bool"}, {Name: "text"}, {Name: "bytes"},
		},
		Rows: []*datasource.TableRow{
			{Values: []*datasource.RowValue{
				{Kind: datasource.RowValue_TYPE_NULL},
				{Kind: datasource.RowValue_TYPE_DOUBLE, DoubleValue: 1.5},
				{Kind: datasource.RowValue_TYPE_INT64, Int64Value: math.MaxInt64},
				{Kind: datasource.RowValue_TYPE_BOOL, BoolValue: true},
				{Kind: datasource.RowValue_TYPE_STRING, StringValue: "grüß <dich>"},
				{Kind: datasource.RowValue_TYPE_BYTES, BytesValue: []byte{0, 255}},
			}},
			{Values: []*datasource.RowValue{
				{Kind: datasource.RowValue_TYPE_NULL},
				{Kind: datasource.RowValue_TYPE_DOUBLE},
				{Kind: datasource.RowValue_TYPE_INT64},
				{Kind: datasource.RowValue_TYPE_BOOL},
				{Kind: datasource.RowValue_TYPE_STRING},
				{Kind: datasource.RowValue_TYPE_BYTES},
			}},
		},
	}
}

func oneCell(text string) *datasource.Table {
	return &datasource.Table{
		Columns: []*datasource.TableColumn{{Name: "cell"}},
		Rows: []*datasource.TableRow{
			{Values: []*datasource.RowValue{{Kind: datasource.RowValue_TYPE_STRING, StringValue: text}}},
		},
	}
}

func (s *source) speak(text string) {
	s.log.Trace(text, "number", 1)
	s.log.Debug(text, "number", 2)
	s.log.Info(text, "number", 3)
	s.log.Warn(text, "number", 4)
	s.log.Error(text, "number", 5)
	fmt.Println("printed: " + text)
	fmt.Fprintln(os.Stderr, "[WARN] plain: "+text)
}

func main() {
	log := hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Trace, Output: os.Stderr, JSONFormat: true})
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "grafana_plugin_type",
			MagicCookieValue: "datasource",
		},
		Plugins: map[string]plugin.Plugin{
			"interop-datasource": &datasource.DatasourcePluginImpl{Plugin: &source{log: log}},
		},
		GRPCServer: plugin.DefaultGRPCServer,
	})
}
