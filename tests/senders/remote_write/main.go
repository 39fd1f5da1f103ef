// Writes samples at a steady rate by remote-write, as Prometheus' own client does, and prints what became of them as JSON.
//
//	remote_write -url http://127.0.0.1:9393 -version 2 -series 100000 -rate 100000 -seconds 60
//
// Each series has one sample a round; a round takes series/rate seconds. Samples carry the time at which their round is due, so
// that no two samples of a series have one time. What is not accepted is sent again until it is: that, and only that, is counted as
// a retry. The program fails when the receiver refuses something for good, or says that it has written less than it was sent.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

const metricsPerHost = 10

type result struct {
	Sent    int64   `json:"sent"`
	Written int64   `json:"written"` // As the receiver says; with version 1 it does not.
	Retries int64   `json:"retries"`
	Seconds float64 `json:"seconds"`
	Behind  float64 `json:"behindSeconds"` // How long after its last round was due it was through.
	Cpu     float64 `json:"cpuSeconds"`    // Of this program.
}

func main() {
	url := flag.String("url", "http://127.0.0.1:9393", "where homeostat listens")
	path := flag.String("path", "/api/v1/write", "path of the receiver")
	version := flag.Int("version", 2, "1 or 2")
	series := flag.Int("series", 100_000, "series in all")
	rate := flag.Float64("rate", 100_000, "samples per second in all")
	seconds := flag.Float64("seconds", 60, "how long")
	batch := flag.Int("batch", 2_000, "samples per request")
	workers := flag.Int("workers", 4, "requests at a time")
	flag.Parse()
	if (*version != 1 && *version != 2) || *series < 1 || *batch < 1 || *workers < 1 {
		flag.Usage()
		os.Exit(2)
	}

	backoff := remote.BackoffConfig{Min: 50 * time.Millisecond, Max: time.Second, MaxRetries: 1000}
	api, err := remote.NewAPI(*url, remote.WithAPIPath(*path), remote.WithAPIBackoff(backoff))
	if err != nil {
		log.Fatal(err)
	}
	sender := sender{api: api, version: *version}
	// What the process has done to be able to begin does not count.
	began := time.Now()
	perRound := time.Duration(float64(*series) / *rate * float64(time.Second))
	rounds := int(*seconds * *rate / float64(*series))
	type piece struct {
		first, last int
		time        int64
	}
	pieces := make(chan piece, *workers)
	var group sync.WaitGroup
	for range *workers {
		group.Go(func() {
			for piece := range pieces {
				sender.send(piece.first, piece.last, piece.time)
			}
		})
	}
	for round := range rounds {
		due := began.Add(time.Duration(round) * perRound)
		for first := 0; first < *series; first += *batch {
			// Spread over the round, as scrapes are.
			share := time.Duration(float64(perRound) * float64(first) / float64(*series))
			time.Sleep(time.Until(due.Add(share)))
			pieces <- piece{first, min(first+*batch, *series), due.UnixMilli()}
		}
	}
	close(pieces)
	group.Wait()
	took := time.Since(began)
	result := result{
		Sent: sender.sent.Load(), Written: sender.written.Load(), Retries: sender.retries.Load(),
		Seconds: took.Seconds(), Behind: max(0, (took - time.Duration(rounds)*perRound).Seconds()), Cpu: cpu(),
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

type sender struct {
	api                    *remote.API
	version                int
	sent, written, retries atomic.Int64
}

// send sends one sample of each series from first to last, and does not come back before it is accepted.
func (s *sender) send(first, last int, time int64) {
	again := remote.WithWriteRetryCallback(func(error) { s.retries.Add(1) })
	kind, message := remote.WriteV1MessageType, any(version1(first, last, time))
	if s.version == 2 {
		kind, message = remote.WriteV2MessageType, any(version2(first, last, time))
	}
	stats, err := s.api.Write(context.Background(), kind, message, again)
	if err != nil {
		log.Fatal(err)
	}
	if s.version == 2 && stats.Samples != last-first {
		log.Fatalf("%d samples were sent, and %d written", last-first, stats.Samples)
	}
	s.sent.Add(int64(last - first))
	s.written.Add(int64(stats.Samples))
}

// labels of the series with this number, sorted.
func labels(number int) [][2]string {
	return [][2]string{
		{"__name__", fmt.Sprintf("load_metric_%d", number%metricsPerHost)},
		{"datacentre", "north-1"},
		{"instance", fmt.Sprintf("h%d:9100", number/metricsPerHost)},
		{"job", "load"},
	}
}

// value of a sample: so that the receiver can be asked whether it is the one that was sent last.
func value(number int, time int64) float64 {
	return float64(time%1_000_000) + float64(number%metricsPerHost)/10
}

func version1(first, last int, time int64) *prompb.WriteRequest {
	request := &prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, 0, last-first)}
	for number := first; number < last; number++ {
		series := prompb.TimeSeries{Samples: []prompb.Sample{{Value: value(number, time), Timestamp: time}}}
		for _, label := range labels(number) {
			series.Labels = append(series.Labels, prompb.Label{Name: label[0], Value: label[1]})
		}
		request.Timeseries = append(request.Timeseries, series)
	}
	return request
}

func version2(first, last int, time int64) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	request := &writev2.Request{Timeseries: make([]writev2.TimeSeries, 0, last-first)}
	for number := first; number < last; number++ {
		series := writev2.TimeSeries{Samples: []writev2.Sample{{Value: value(number, time), Timestamp: time}}}
		series.Metadata.Type = writev2.Metadata_METRIC_TYPE_GAUGE
		series.Metadata.HelpRef = symbols.Symbolize("A metric of the load test.")
		for _, label := range labels(number) {
			series.LabelsRefs = append(series.LabelsRefs, symbols.Symbolize(label[0]), symbols.Symbolize(label[1]))
		}
		request.Timeseries = append(request.Timeseries, series)
	}
	request.Symbols = symbols.Symbols()
	return request
}

func cpu() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
