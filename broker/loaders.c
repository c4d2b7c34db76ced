/* See loaders.h. Fields are elements of something called data, since a field may have a name that
 * means something else in the language (E, pi, end). */
#include "loaders.h"

#include <assert.h>

static const char *const NAMES[LOADERS] = {"load.py", "load.jl", "load.wl", "load.m"};

const char *loader_name(unsigned i)
{
    assert(i < LOADERS);
    return NAMES[i];
}

/* Calls of fmt with each field's name, separated. */
static void each_field(const struct job *job, const char *before, const char *after,
                       const char *separator, struct buf *out)
{
    for (size_t i = 0; i < job->output_count; i++)
        buf_printf(out, "%s%s%s%s", i ? separator : "", before, job->outputs[i].name, after);
}

/* Also while the job runs: then by the partial files' names. */
static void python(const struct job *job, struct buf *out)
{
    const char *field = job->outputs[0].name;
    buf_printf(out,
               "# python3 -i load.py: data[\"%s\"][i, j] belongs to q[i], a[j]; also status, w",
               field);
    if (job->errors)
        buf_printf(out, " and %s.error", field);
    buf_str(out, "\nimport glob, os, numpy\n"
                 "data = {os.path.basename(f)[:-4].replace(\".partial\", \"\"): numpy.load(f)\n"
                 "        for f in glob.glob(os.path.join(os.path.dirname(os.path.abspath("
                 "__file__)), \"*.npy\"))}\n"
                 "q, a = data[\"q\"], data[\"a\"]\n");
}

static void julia(const struct job *job, struct buf *out)
{
    buf_printf(out, "# include(\"load.jl\"): data[\"%s\"][i, j] belongs to q[i], a[j]\n",
               job->outputs[0].name);
    buf_str(out, "npy(name) = open(f -> (seek(f, 4096); collect(reinterpret(Float64, read(f)))), "
                 "joinpath(@__DIR__, name * \".npy\"))\n"
                 "q, a = npy(\"q\"), npy(\"a\")\n"
                 "data = Dict(n => permutedims(reshape(npy(n), length(a), length(q))) for n in [");
    each_field(job, "\"", "\"", ", ", out);
    buf_str(out, "])\n");
}

static void wolfram(const struct job *job, struct buf *out)
{
    buf_printf(out, "(* Get[\"load.wl\"]: data[\"%s\"][[i, j]] belongs to q[[i]], a[[j]] *)\n",
               job->outputs[0].name);
    buf_str(out, "dir = DirectoryName[$InputFileName];\n"
                 "npy[name_] := Import[FileNameJoin[{dir, name <> \".npy\"}], \"Real64\", "
                 "\"HeaderBytes\" -> 4096, ByteOrdering -> -1];\n"
                 "q = npy[\"q\"]; a = npy[\"a\"]; data = AssociationMap[Partition[npy[#], "
                 "Length[a]] &, {");
    each_field(job, "\"", "\"", ", ", out);
    buf_str(out, "}];\n");
}

static void octave(const struct job *job, struct buf *out)
{
    buf_printf(out, "%% run('load.m'): data.%s(i, j) belongs to q(i), a(j)\n",
               job->outputs[0].name);
    buf_str(out, "names = {'q', 'a'");
    each_field(job, ", '", "'", "", out);
    buf_str(out, "}; data = struct();\n"
                 "for k = 1:numel(names), f = fopen(fullfile(fileparts(mfilename('fullpath')), "
                 "[names{k} '.npy']), 'r', 'ieee-le'); fseek(f, 4096, 'bof'); "
                 "data.(names{k}) = fread(f, Inf, 'double'); fclose(f); end\n"
                 "q = data.q; a = data.a; for k = 3:numel(names), data.(names{k}) = "
                 "reshape(data.(names{k}), numel(a), numel(q)).'; end\n");
}

void loader_text(unsigned i, const struct job *job, struct buf *out)
{
    static void (*const WRITERS[LOADERS])(const struct job *, struct buf *) = {python, julia,
                                                                               wolfram, octave};
    assert(i < LOADERS);
    WRITERS[i](job, out);
}
