/* SPDX-License-Identifier: MIT */
/*
 * trace_summary.c - `kahu trace summary`: what a trace says, in tables.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "report.h"
#include "trace.h"
#include "trace_line.h"
#include "trace_names.h"

#define SUMMARY_TEXT 1024
#define SUMMARY_TOP 1000 /* rows that may be asked for */

/* What the resumes of one function, or of one thread, have taken. */
struct summary_row {
    uint64_t thread; /* its number; of a function: how many there are */
    uint32_t title;  /* of the function */
    uint64_t resumes;
    uint64_t total_ns;
    uint64_t own_ns; /* less what was resumed inside */
    uint64_t most_ns;
};

/* One resume. */
struct summary_resume {
    uint64_t at_ns;
    uint64_t total_ns;
    uint64_t own_ns;
    uint64_t thread;
    uint32_t title;
    char cause[16];
    char place[SUMMARY_TEXT]; /* where it stood at its end; "" */
};

struct summary {
    size_t top; /* rows to print */
    bool virtual_time;
    bool whole;
    uint64_t end_ns;
    uint64_t resumes;
    uint64_t errors;
    uint64_t cancelled;
    uint64_t most_sleeping;
    uint64_t most_deferred;
    uint64_t most_operations;
    uint64_t most_bytes;
    struct trace_names titles;
    struct trace_map tracks;  /* track -> title */
    struct trace_map numbers; /* thread -> row */
    struct summary_row *threads;
    size_t nthreads;
    struct summary_row *functions; /* by title */
    struct summary_resume *longest;
    size_t nlongest;
    uint64_t *late_ns;
    size_t nlate;
};

/* ------------------------------------------------------------------------ */
/* Reading: each is false when memory is out                                */
/* ------------------------------------------------------------------------ */

static bool summary_add_title(struct summary *m, const char *text,
                              uint32_t *out) {
    uint32_t known = m->titles.count;
    struct summary_row *room;

    if (!trace_names_put(&m->titles, text, out))
        return false;
    if (*out < known)
        return true;
    room = trace_names_room(m->functions, known, sizeof(*room));
    if (room == NULL)
        return false;
    m->functions = room;
    m->functions[known] = (struct summary_row){.title = known};
    return true;
}

/* {"ph":"M",...}: the name of a track. */
static bool summary_read_name(struct summary *m, const char *line) {
    char text[SUMMARY_TEXT];
    struct trace_entry entry = {0, 0, 1};
    uint32_t title;

    if (!trace_line_number(line, "\"tid\":", &entry.key) ||
        !trace_line_text(line, "\"args\":{\"name\":", text, sizeof(text)))
        return true;
    if (!summary_add_title(m, text, &title))
        return false;
    entry.number = title;
    return trace_map_put(&m->tracks, entry);
}

static bool summary_add_thread(struct summary *m, uint64_t thread,
                               uint32_t title, size_t *out) {
    struct trace_entry *known = trace_map_get(&m->numbers, thread);
    struct trace_entry entry = {thread, m->nthreads, 1};
    struct summary_row *room;

    if (known != NULL) {
        *out = (size_t)known->number;
        return true;
    }
    room = trace_names_room(m->threads, m->nthreads, sizeof(*room));
    if (room == NULL)
        return false;
    m->threads = room;
    if (!trace_map_put(&m->numbers, entry))
        return false;
    *out = m->nthreads++;
    room[*out] = (struct summary_row){.thread = thread, .title = title};
    m->functions[title].thread++;
    return true;
}

static void summary_count(struct summary_row *row,
                          const struct summary_resume *r) {
    row->resumes++;
    row->total_ns += r->total_ns;
    row->own_ns += r->own_ns;
    if (r->total_ns > row->most_ns)
        row->most_ns = r->total_ns;
}

/* Keeps the longest, in order; of equals the first. */
static void summary_keep_longest(struct summary *m,
                                 const struct summary_resume *r) {
    size_t i = m->nlongest;

    if (i == m->top && r->total_ns <= m->longest[i - 1].total_ns)
        return;
    if (i < m->top)
        m->nlongest++;
    else
        i--;
    for (; i > 0 && m->longest[i - 1].total_ns < r->total_ns; i--)
        m->longest[i] = m->longest[i - 1];
    m->longest[i] = *r;
}

static bool summary_keep_late(struct summary *m, const char *line) {
    uint64_t *room;
    uint64_t late_ns;

    if (!trace_line_us(line, "\"late_us\":", &late_ns))
        return true;
    room = trace_names_room(m->late_ns, m->nlate, sizeof(*room));
    if (room == NULL)
        return false;
    m->late_ns = room;
    m->late_ns[m->nlate++] = late_ns;
    return true;
}

/* Under virtual time the slice's own length says nothing. */
static bool summary_parse_resume(const struct summary *m, const char *line,
                                 struct summary_resume *r,
                                 uint64_t *duration_ns) {
    const struct trace_entry *track;
    uint64_t number;
    uint64_t inside_ns = 0;

    if (!trace_line_number(line, "\"tid\":", &number) ||
        !trace_line_us(line, "\"ts\":", &r->at_ns) ||
        !trace_line_us(line, "\"dur\":", duration_ns) ||
        !trace_line_number(line, "\"thread\":", &r->thread) ||
        !trace_line_text(line, "\"name\":", r->cause, sizeof(r->cause)))
        return false;
    track = trace_map_get(&m->tracks, number);
    if (track == NULL)
        return false;
    r->title = (uint32_t)track->number;
    if (!trace_line_us(line, "\"real_us\":", &r->total_ns))
        r->total_ns = *duration_ns;
    (void)trace_line_us(line, "\"inside_us\":", &inside_ns);
    r->own_ns = r->total_ns > inside_ns ? r->total_ns - inside_ns : 0;
    if (!trace_line_text(line, "\"at\":", r->place, sizeof(r->place)))
        r->place[0] = '\0';
    return true;
}

static bool summary_read_resume(struct summary *m, const char *line) {
    struct summary_resume r;
    uint64_t duration_ns;
    size_t row;

    if (!summary_parse_resume(m, line, &r, &duration_ns))
        return true;
    if (!summary_add_thread(m, r.thread, r.title, &row))
        return false;
    m->resumes++;
    if (r.at_ns + duration_ns > m->end_ns)
        m->end_ns = r.at_ns + duration_ns;
    summary_count(&m->threads[row], &r);
    summary_count(&m->functions[r.title], &r);
    summary_keep_longest(m, &r);
    return summary_keep_late(m, line);
}

static void summary_read_count(const char *line, const char *key,
                               uint64_t *most) {
    uint64_t n;

    if (trace_line_number(line, key, &n) && n > *most)
        *most = n;
}

static void summary_read_counts(struct summary *m, const char *line) {
    uint64_t at_ns;

    if (trace_line_us(line, "\"ts\":", &at_ns) && at_ns > m->end_ns)
        m->end_ns = at_ns;
    summary_read_count(line, "\"sleeping\":", &m->most_sleeping);
    summary_read_count(line, "\"deferred\":", &m->most_deferred);
    summary_read_count(line, "\"operations\":", &m->most_operations);
    summary_read_count(line, "\"bytes\":", &m->most_bytes);
}

static void summary_read_instant(struct summary *m, const char *line) {
    m->errors += strstr(line, "\"name\":\"error\"") != NULL;
    m->cancelled += strstr(line, "\"name\":\"cancelled\"") != NULL;
}

static bool summary_read_event(struct summary *m, const char *line) {
    char type[2];

    if (!trace_line_text(line, "\"ph\":", type, sizeof(type)))
        return true;
    switch (type[0]) {
    case 'M':
        return summary_read_name(m, line);
    case 'X':
        return summary_read_resume(m, line);
    case 'C':
        summary_read_counts(m, line);
        return true;
    case 'i':
        summary_read_instant(m, line);
        return true;
    default:
        return true;
    }
}

static bool summary_read(struct summary *m, struct trace_lines *l) {
    m->longest = calloc(m->top, sizeof(*m->longest));
    if (m->longest == NULL)
        return false;
    m->virtual_time = strstr(l->line, "\"clock\":\"virtual\"") != NULL;
    while (trace_lines_next(l))
        if (!summary_read_event(m, l->line))
            return false;
    m->whole = l->whole;
    return true;
}

static void summary_free(struct summary *m) {
    trace_names_free(&m->titles);
    trace_map_free(&m->tracks);
    trace_map_free(&m->numbers);
    free(m->threads);
    free(m->functions);
    free(m->longest);
    free(m->late_ns);
}

/* ------------------------------------------------------------------------ */
/* Printing                                                                 */
/* ------------------------------------------------------------------------ */

static double summary_ms(uint64_t ns) {
    return (double)ns / 1e6;
}

/* The most of their own time first, then as they came. */
static int summary_compare_rows(const void *a, const void *b) {
    const struct summary_row *first = a;
    const struct summary_row *second = b;

    if (first->own_ns != second->own_ns)
        return first->own_ns > second->own_ns ? -1 : 1;
    if (first->title != second->title)
        return first->title < second->title ? -1 : 1;
    return first->thread < second->thread ? -1 : first->thread > second->thread;
}

static void summary_print_rows(const struct summary *m,
                               struct summary_row *rows, size_t n,
                               const char *title, const char *column) {
    if (n > 0) /* without rows there is no array */
        qsort(rows, n, sizeof(*rows), summary_compare_rows);
    printf("\n%s\n%12s %12s %12s %10s %8s  function\n", title, "own ms",
           "total ms", "longest ms", "resumes", column);
    for (size_t i = 0; i < n && i < m->top && rows[i].resumes > 0; i++)
        printf("%12.3f %12.3f %12.3f %10" PRIu64 " %8" PRIu64 "  %s\n",
               summary_ms(rows[i].own_ns), summary_ms(rows[i].total_ns),
               summary_ms(rows[i].most_ns), rows[i].resumes, rows[i].thread,
               m->titles.list[rows[i].title]);
}

static void summary_print_longest(const struct summary *m) {
    printf("\nLongest resumes\n%12s %12s %12s %10s %8s  where\n", "total ms",
           "own ms", "at ms", "cause", "thread");
    for (size_t i = 0; i < m->nlongest; i++) {
        const struct summary_resume *r = &m->longest[i];

        printf("%12.3f %12.3f %12.3f %10s %8" PRIu64 "  %s%s%s\n",
               summary_ms(r->total_ns), summary_ms(r->own_ns),
               summary_ms(r->at_ns), r->cause, r->thread,
               m->titles.list[r->title], r->place[0] != '\0' ? ", up to " : "",
               r->place);
    }
}

static int summary_compare_ns(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}

/* The least that so many percent of them are not above. */
static double summary_percentile(const struct summary *m, size_t percent) {
    return summary_ms(m->late_ns[(m->nlate * percent + 99) / 100 - 1]);
}

static void summary_print_late(struct summary *m) {
    printf("\nLateness of %zu timed resumes\n", m->nlate);
    if (m->nlate == 0)
        return;
    qsort(m->late_ns, m->nlate, sizeof(*m->late_ns), summary_compare_ns);
    printf("%12s %12s %12s %12s\n", "p50 ms", "p90 ms", "p99 ms", "max ms");
    printf("%12.3f %12.3f %12.3f %12.3f\n", summary_percentile(m, 50),
           summary_percentile(m, 90), summary_percentile(m, 99),
           summary_percentile(m, 100));
}

static void summary_print_totals(const struct summary *m, const char *path) {
    printf("%s: %.3f s of %s time", path, (double)m->end_ns / 1e9,
           m->virtual_time ? "virtual" : "real");
    if (m->virtual_time)
        printf(" (a resume takes real time)");
    if (!m->whole)
        printf(", without its end: the program was killed, or runs still");
    printf("\n%" PRIu64 " resumes of %zu threads, %" PRIu64 " errors, %" PRIu64
           " cancelled\n",
           m->resumes, m->nthreads, m->errors, m->cancelled);
    printf("at most %" PRIu64 " sleeping, %" PRIu64 " deferred, %" PRIu64
           " in operations, %" PRIu64 " KiB of the VM\n",
           m->most_sleeping, m->most_deferred, m->most_operations,
           m->most_bytes / 1024);
}

static void summary_print(struct summary *m, const char *path) {
    summary_print_totals(m, path);
    summary_print_rows(m, m->functions, m->titles.count, "Functions by time",
                       "threads");
    summary_print_rows(m, m->threads, m->nthreads, "Threads by time", "thread");
    summary_print_longest(m);
    summary_print_late(m);
}

/* ------------------------------------------------------------------------ */
/* The command                                                              */
/* ------------------------------------------------------------------------ */

static const char summary_help[] =
    "Usage: kahu trace summary [--top N] FILE\n"
    "\n"
    "Says what is in a trace that kahu --trace FILE has written: which "
    "functions\n"
    "and threads took the most time, the longest resumes, and how late timed\n"
    "resumes were. Perfetto (https://ui.perfetto.dev) shows all of it.\n"
    "FILE may be - for standard input.\n"
    "\n"
    "      --top N            rows of each table (10)\n"
    "  -h, --help             this text\n";

static int summary_run(const char *path, size_t top) {
    struct summary m = {.top = top};
    int code = EXIT_USAGE;
    struct trace_lines l;

    if (!trace_lines_open(&l, path)) {
        fprintf(stderr, "kahu: cannot read '%s': %s\n", path,
                errno != 0 ? strerror(errno)
                           : "no trace written by kahu --trace");
        return code;
    }
    if (summary_read(&m, &l) && l.error == 0) {
        summary_print(&m, path);
        code = EXIT_SUCCESS;
    } else if (l.error != 0) {
        fprintf(stderr, "kahu: cannot read '%s': %s\n", path,
                strerror(l.error));
    } else {
        report_no_memory();
        code = EXIT_SCRIPT;
    }
    trace_lines_close(&l);
    summary_free(&m);
    return code;
}

static bool summary_parse_top(const char *text, size_t *out) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 ||
        n > SUMMARY_TOP) {
        fprintf(stderr, "kahu: --top takes a number from 1 to %d, not '%s'\n",
                SUMMARY_TOP, text);
        return false;
    }
    *out = n;
    return true;
}

static int summary_refuse(const char *why) {
    if (why != NULL)
        fprintf(stderr, "kahu: %s\n", why);
    fputs("Try 'kahu trace --help'.\n", stderr);
    return EXIT_USAGE;
}

int trace_main(int argc, char **argv) {
    static const struct option options[] = {
        {"top", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static char name[] = "kahu"; /* what getopt's messages begin with */
    size_t top = 10;
    int option;

    argv[0] = name;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(summary_help, stdout);
            return EXIT_SUCCESS;
        }
        if (option != 't' || !summary_parse_top(optarg, &top))
            return summary_refuse(NULL);
    }
    if (argc - optind < 1 || strcmp(argv[optind], "summary") != 0)
        return summary_refuse("trace knows one command: summary");
    if (argc - optind != 2)
        return summary_refuse("trace summary takes one file");
    return summary_run(argv[optind + 1], top);
}
