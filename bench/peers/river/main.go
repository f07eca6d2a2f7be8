// Measures River as its own `river bench` sets it: one client, 2,000 workers, fetches at most every 2 ms, 5,000 jobs in
// one call; that call is InsertManyFast (COPY), its fastest.
// Lines on standard output are read by the driver: a mark when a phase begins and ends, one with figures after it.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	producers         = 4
	batch             = 5_000
	maxWorkers        = 2_000
	connections       = 10
	fetchCooldown     = 2 * time.Millisecond
	fetchPollInterval = 20 * time.Millisecond

	payloadBytes = 200
	// Time for the driver to read its counters after a mark.
	counters = 250 * time.Millisecond
)

// Noop is a job whose JSON has 200 bytes that do not compress.
type Noop struct {
	Data string `json:"data"`
}

// Kind names the job type.
func (Noop) Kind() string { return "noop" }

func noop() Noop {
	characters := payloadBytes - len(`{"data":""}`)
	random := make([]byte, characters)
	// It never fails: the program ends instead.
	_, _ = rand.Read(random)
	return Noop{Data: base64.RawURLEncoding.EncodeToString(random)[:characters]}
}

// Worker tells that a job was handled.
type Worker struct {
	river.WorkerDefaults[Noop]

	handled func()
}

// Work does nothing.
func (w *Worker) Work(context.Context, *river.Job[Noop]) error {
	w.handled()
	return nil
}

type settings struct {
	MaxWorkers        int    `json:"maxWorkers"`
	FetchCooldown     string `json:"fetchCooldown"`
	FetchPollInterval string `json:"fetchPollInterval"`
	Connections       int    `json:"connections"`
	Insert            string `json:"insert"`
	Batch             int    `json:"batch"`
	Producers         int    `json:"producers"`
}

type figures struct {
	Peer          string   `json:"peer"`
	Version       string   `json:"version"`
	Settings      settings `json:"settings"`
	Phase         string   `json:"phase"`
	Jobs          int64    `json:"jobs"`
	Seconds       float64  `json:"seconds"`
	JobsPerSecond float64  `json:"jobs_per_second"`
}

func main() {
	jobs := flag.Int64("jobs", 200_000, "jobs of the backlog")
	seconds := flag.Int("seconds", 30, "seconds of work at most")
	flag.Parse()
	if err := run(context.Background(), *jobs, time.Duration(*seconds)*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, jobs int64, limit time.Duration) error {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	var (
		handled atomic.Int64
		first   = make(chan time.Time, 1)
		workers = river.NewWorkers()
	)
	river.AddWorker(workers, &Worker{handled: func() {
		if handled.Add(1) == 1 {
			first <- time.Now()
		}
	}})
	client, err := river.NewClient(driver, &river.Config{
		FetchCooldown:     fetchCooldown,
		FetchPollInterval: fetchPollInterval,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: maxWorkers}},
		Workers:           workers,
	})
	if err != nil {
		return err
	}
	if err := enqueue(ctx, client, jobs); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, "VACUUM (ANALYZE) river_job"); err != nil {
		return err
	}
	return work(ctx, client, pool, jobs, limit, first)
}

func enqueue(ctx context.Context, client *river.Client[pgx.Tx], jobs int64) error {
	time.Sleep(counters)
	mark("enqueue", "begin")
	var (
		began  = time.Now()
		left   atomic.Int64
		failed = make(chan error, producers)
		group  sync.WaitGroup
	)
	left.Store(jobs)
	for range producers {
		group.Go(func() {
			for {
				count := min(batch, left.Add(-batch)+batch)
				if count <= 0 {
					return
				}
				params := make([]river.InsertManyParams, count)
				for index := range params {
					params[index].Args = noop()
				}
				if _, err := client.InsertManyFast(ctx, params); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	mark("enqueue", "end")
	time.Sleep(counters)
	select {
	case err := <-failed:
		return err
	default:
		return report("enqueue", jobs, took)
	}
}

// The end is when the client says of the last job that it is completed: that is after its commit.
func work(
	ctx context.Context, client *river.Client[pgx.Tx], pool *pgxpool.Pool, jobs int64, limit time.Duration,
	first <-chan time.Time,
) error {
	events, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: int(jobs),
		Kinds:    []river.EventKind{river.EventKindJobCompleted},
	})
	defer cancel()
	if err := client.Start(ctx); err != nil {
		return err
	}
	began := <-first
	mark("work", "begin")
	timer := time.After(limit - time.Since(began))
	timeIsUp := false
	var completed int64
	for completed < jobs && !timeIsUp {
		select {
		case <-events:
			completed++
		case <-timer:
			timeIsUp = true
		}
	}
	if timeIsUp {
		if err := client.Stop(ctx); err != nil {
			return err
		}
	}
	took := time.Since(began)
	mark("work", "end")
	time.Sleep(counters)
	if !timeIsUp {
		if err := client.Stop(ctx); err != nil {
			return err
		}
	}
	var done int64
	row := pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state = 'completed'")
	if err := row.Scan(&done); err != nil {
		return err
	}
	if done < completed || (!timeIsUp && done != jobs) {
		return fmt.Errorf("%d jobs are done, %d of %d were said to be", done, completed, jobs)
	}
	return report("work", done, took)
}

func report(phase string, jobs int64, took time.Duration) error {
	version, err := riverVersion()
	if err != nil {
		return err
	}
	return write(figures{
		Peer:    "river",
		Version: version,
		Settings: settings{
			MaxWorkers:        maxWorkers,
			FetchCooldown:     fetchCooldown.String(),
			FetchPollInterval: fetchPollInterval.String(),
			Connections:       connections,
			Insert:            "InsertManyFast",
			Batch:             batch,
			Producers:         producers,
		},
		Phase:         phase,
		Jobs:          jobs,
		Seconds:       took.Seconds(),
		JobsPerSecond: float64(jobs) / took.Seconds(),
	})
}

func riverVersion() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/riverqueue/river" {
				return module.Version[1:], nil
			}
		}
	}
	return "", errors.New("the program does not know its version of River")
}

func mark(phase, edge string) {
	// What cannot be written is missed by the driver, which says so.
	_ = write(map[string]string{"mark": edge, "phase": phase})
}

func write(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}
