// judge says what Grafana's own libraries make of frames.
//
// Each line of stdin is {"arrow": [file in base64, ...]}; each line of stdout answers one of them:
//
//	json    the frames as the SDK writes them, with the json-iterator that Grafana's go.mod names
//	shapes  for each frame, what kind of time series an untyped reader takes it for
//	type    what the typed readers take all of them for
//	series  each series or number that they find, as "name{labels} x points" or "name{labels} = value"
//	error   why they refuse, or what they warn of
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/dataplane/sdata/numeric"
	"github.com/grafana/dataplane/sdata/reader"
	"github.com/grafana/dataplane/sdata/timeseries"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

type question struct {
	Arrow [][]byte `json:"arrow"`
}

type verdict struct {
	JSON   []string `json:"json"`
	Shapes []string `json:"shapes"`
	Type   string   `json:"type"`
	Series []string `json:"series"`
	Error  string   `json:"error"`
}

func main() {
	questions := bufio.NewScanner(os.Stdin)
	questions.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for questions.Scan() {
		var asked question
		answer := verdict{JSON: []string{}, Shapes: []string{}, Series: []string{}}
		err := json.Unmarshal(questions.Bytes(), &asked)
		if err == nil {
			err = judge(asked.Arrow, &answer)
		}
		if err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			panic(err)
		}
	}
}

func judge(files [][]byte, answer *verdict) error {
	frames, err := data.UnmarshalArrowFrames(files)
	if err != nil {
		return err
	}
	for _, frame := range frames {
		text, err := data.FrameToJSON(frame, data.IncludeAll)
		if err != nil {
			return err
		}
		answer.JSON = append(answer.JSON, string(text))
		answer.Shapes = append(answer.Shapes, frame.TimeSeriesSchema().Type.String())
	}
	kind, err := reader.CanReadBasedOnMeta(frames)
	answer.Type = string(kind)
	if err != nil {
		return err
	}
	if kind.IsTimeSeries() {
		return readSeries(frames, answer)
	}
	return readNumbers(frames, answer)
}

func readSeries(frames data.Frames, answer *verdict) error {
	found, err := timeseries.CollectionReaderFromFrames(frames)
	if err != nil {
		return err
	}
	collection, err := found.GetCollection(true)
	if err != nil {
		return err
	}
	for _, series := range collection.Refs {
		points, err := series.Len()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s{%s} x %d", series.GetMetricName(), series.GetLabels(), points)
		answer.Series = append(answer.Series, name)
	}
	return collection.Warning
}

func readNumbers(frames data.Frames, answer *verdict) error {
	found, err := numeric.CollectionReaderFromFrames(frames)
	if err != nil {
		return err
	}
	collection, err := found.GetCollection(false)
	if err != nil {
		return err
	}
	for _, number := range collection.Refs {
		value, empty, err := number.NullableFloat64Value()
		if err != nil {
			return err
		}
		shown := "nothing"
		if !empty && value != nil {
			shown = fmt.Sprint(*value)
		}
		name := fmt.Sprintf("%s{%s} = %s", number.GetMetricName(), number.GetLabels(), shown)
		answer.Series = append(answer.Series, name)
	}
	return collection.Warning
}
