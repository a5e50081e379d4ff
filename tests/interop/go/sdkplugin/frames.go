package main

import (
	"encoding/json"
	"math"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

var first = time.Date(2026, 11, 22, 1, 2, 3, 456789012, time.UTC)

// series has the rows from `from` on, one a second.
func series(from, rows int) *data.Frame {
	times, values := make([]time.Time, rows), make([]float64, rows)
	for i := range rows {
		times[i] = first.Add(time.Duration(from+i) * time.Second)
		values[i] = math.Sin(float64(from+i)/10) * 100
	}
	return data.NewFrame("series",
		data.NewField("time", nil, times),
		data.NewField("value", data.Labels{"host": "a"}, values))
}

// both are two fields of one type: plain and, with nothing for the first value, nullable.
func both[T any](name string, values ...T) []*data.Field {
	pointers := make([]*T, len(values))
	for i := range values[1:] {
		pointers[i+1] = &values[i+1]
	}
	return []*data.Field{data.NewField(name, nil, values), data.NewField(name+"?", nil, pointers)}
}

// kinds has two fields of every type that fields can have, and something in every place of a frame.
func kinds() *data.Frame {
	frame := data.NewFrame("kinds")
	for _, fields := range [][]*data.Field{
		both("int8", int8(1), math.MinInt8, math.MaxInt8),
		both("int16", int16(1), math.MinInt16, math.MaxInt16),
		both("int32", int32(1), math.MinInt32, math.MaxInt32),
		both("int64", int64(1), math.MinInt64, math.MaxInt64),
		both("uint8", uint8(1), 0, math.MaxUint8),
		both("uint16", uint16(1), 0, math.MaxUint16),
		both("uint32", uint32(1), 0, math.MaxUint32),
		both("uint64", uint64(1), 0, math.MaxUint64),
		both("float32", float32(1.5), math.SmallestNonzeroFloat32, math.MaxFloat32),
		both("float64", 1.5, math.Inf(-1), math.MaxFloat64),
		both("string", "a", "", "grüß <dich> 🙂"),
		both("bool", true, false, true),
		both("time", first, time.Unix(0, 0).UTC(), time.Unix(0, -1).UTC()),
		both("json", json.RawMessage(`{"a":[1,null]}`), json.RawMessage(`null`), json.RawMessage(`"b"`)),
		both("enum", data.EnumItemIndex(1), 0, math.MaxUint16),
	} {
		frame.Fields = append(frame.Fields, fields...)
	}
	low, high, ofTwo := data.ConfFloat64(0), data.ConfFloat64(100.5), uint16(2)
	frame.Fields[0].Labels = data.Labels{"host": "a b", "zone": "ü"}
	frame.Fields[0].Config = &data.FieldConfig{
		DisplayName: "Eight", Unit: "percent", Decimals: &ofTwo, Min: &low, Max: &high,
		Links: []data.DataLink{{Title: "more", URL: "/d/${__value.raw}", TargetBlank: true}},
		Mappings: data.ValueMappings{
			data.ValueMapper{"1": {Text: "one", Color: "red", Index: 0}},
			data.RangeValueMapper{From: &low, To: &high, Result: data.ValueMappingResult{Text: "some"}},
		},
		Thresholds: &data.ThresholdsConfig{
			Mode:  data.ThresholdsModeAbsolute,
			Steps: []data.Threshold{data.NewThreshold(math.Inf(-1), "green", ""), data.NewThreshold(80, "red", "")},
		},
		Custom: map[string]any{"width": 7},
	}
	for _, field := range frame.Fields[len(frame.Fields)-2:] {
		field.Config = &data.FieldConfig{
			TypeConfig: &data.FieldTypeConfig{Enum: &data.EnumFieldConfig{Text: []string{"off", "on"}}},
		}
	}
	frame.Meta = &data.FrameMeta{
		Type: data.FrameTypeTable, TypeVersion: data.FrameTypeVersion{0, 1},
		Custom: map[string]any{"mine": []int{1, 2}}, ExecutedQueryString: "SELECT 1",
		PreferredVisualization: data.VisTypeTable, Channel: "ds/u/numbers",
		Stats:   []data.QueryStat{{FieldConfig: data.FieldConfig{DisplayName: "rows", Unit: "short"}, Value: 3}},
		Notices: []data.Notice{{Severity: data.NoticeSeverityWarning, Text: "mind", Link: "https://example.com"}},
	}
	return frame
}

// inJSON is a frame that has another one, as this SDK writes it, in its only cell.
func inJSON(frame *data.Frame) *data.Frame {
	frame.RefID = "A"
	text, err := data.FrameToJSON(frame, data.IncludeAll)
	if err != nil {
		panic(err)
	}
	return data.NewFrame("", data.NewField("json", nil, []string{string(text)}))
}
