"""Runs one peer for the bench: python serve.py PEER MODEL THREADS.

A JSON object a line in, one a line out, so that the bench can ask all engines in turn:

    after loading   {"load_s", "memory"}
    {"do": "single", "prompt": [ids], "new": n}      {"first_s", "decode_s", "tokens"}
    {"do": "streams", "prompts": [[ids]…], "new": n} {"first_s": [s…], "total_s"}; equal lengths
    {"do": "reference", "prompt": [ids], "new": n}   {"tokens", "gaps"} of the two best logits
    {"do": "memory"}                                 {"memory"}: bytes that are this process's alone

Every peer is driven as its documentation does it for speed. llama.cpp gets what its server does
(continuous batching over one context with a sequence each; a common beginning is computed once and
copied); onnxruntime-genai and transformers batch prompts of one length.
"""

import json
import sys
import time

import numpy as np

ROOM = 2048
"""Longest prompt and answer, as all engines get it."""


def memory() -> int:
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))


class Transformers:
    def __init__(self, model: str, threads: int):
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()

    def steps(self, prompts, new):
        """Greedy steps over a batch; yields the logits of each."""
        with self.torch.inference_mode():
            ids, past = self.torch.tensor(prompts), None
            for _ in range(new):
                out = self.model(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
                past, logits = out.past_key_values, out.logits[:, -1]
                ids = logits.argmax(-1, keepdim=True)
                yield ids[:, 0].tolist(), logits

    def generate(self, prompts, new):
        for tokens, _ in self.steps(prompts, new):
            yield tokens

    def reference(self, prompt, new):
        tokens, gaps = [], []
        for found, logits in self.steps([prompt], new):
            best = logits[0].topk(2).values
            tokens += found
            gaps.append(float(best[0] - best[1]))
        return {"tokens": tokens, "gaps": gaps}


class Genai:
    def __init__(self, model: str, threads: int):
        import onnxruntime_genai as og

        self.og = og
        config = og.Config(model)
        config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
        self.model = og.Model(config)

    def generate(self, prompts, new):
        parameters = self.og.GeneratorParams(self.model)
        parameters.set_search_options(max_length=ROOM, min_length=ROOM, do_sample=False, batch_size=len(prompts))
        generator = self.og.Generator(self.model, parameters)
        generator.append_tokens(np.array(prompts, np.int32))
        for _ in range(new):
            generator.generate_next_token()
            yield [int(t) for t in generator.get_next_tokens()]


class Llama:
    def __init__(self, model: str, threads: int):
        import llama_cpp as cpp

        self.cpp = cpp
        cpp.llama_backend_init()
        self.quiet = cpp.llama_log_callback(lambda level, text, data: None)
        cpp.llama_log_set(self.quiet, None)
        self.model = cpp.llama_model_load_from_file(model.encode(), cpp.llama_model_default_params())
        self.size = cpp.llama_vocab_n_tokens(cpp.llama_model_get_vocab(self.model))
        self.threads = threads
        self.context, self.opened = None, None

    def open(self, streams, unified):
        if self.opened == (streams, unified):
            self.cpp.llama_memory_clear(self.cpp.llama_get_memory(self.context), True)
            return
        if self.context:
            self.cpp.llama_free(self.context)
        how = self.cpp.llama_context_default_params()
        how.n_seq_max = streams
        # Only a unified cache can copy a part of a sequence; apart they are quicker.
        how.kv_unified = unified
        # As the server's slots: each sequence has room for the longest.
        how.n_ctx = ROOM * streams
        how.n_batch = how.n_ubatch = 512
        how.n_threads = how.n_threads_batch = self.threads
        self.context = self.cpp.llama_init_from_model(self.model, how)
        self.opened = (streams, unified)

    def run(self, lines):
        """`lines`: (sequence, position, token, logits?)."""
        batch = self.cpp.llama_batch_init(len(lines), 0, 1)
        batch.n_tokens = len(lines)
        for n, (sequence, position, token, wanted) in enumerate(lines):
            batch.token[n], batch.pos[n] = token, position
            batch.n_seq_id[n], batch.seq_id[n][0] = 1, sequence
            batch.logits[n] = wanted
        status = self.cpp.llama_decode(self.context, batch)
        self.cpp.llama_batch_free(batch)
        if status != 0:
            raise SystemExit(f"llama_decode: status {status}")

    def best(self, n):
        logits = self.cpp.llama_get_logits_ith(self.context, n)
        return int(np.ctypeslib.as_array(logits, shape=(self.size,)).argmax())

    def generate(self, prompts, new):
        common = 0
        if len(prompts) > 1:
            shortest = min(len(p) for p in prompts)
            while common < shortest - 1 and len({p[common] for p in prompts}) == 1:
                common += 1
        self.open(len(prompts), common > 0)
        for begin in range(0, common, 512):
            self.run([(0, k, prompts[0][k], False) for k in range(begin, min(common, begin + 512))])
        cache = self.cpp.llama_get_memory(self.context)
        for n in range(1, len(prompts)) if common else []:
            self.cpp.llama_memory_seq_cp(cache, 0, n, 0, common)
        last = []
        for n, prompt in enumerate(prompts):
            for begin in range(common, len(prompt), 512):
                end = min(len(prompt), begin + 512)
                self.run([(n, k, prompt[k], k == len(prompt) - 1) for k in range(begin, end)])
            last.append(self.best(-1))
            yield {n: last[-1]}
        for step in range(new - 1):
            self.run([(n, len(prompts[n]) + step, token, True) for n, token in enumerate(last)])
            last = [self.best(n) for n in range(len(last))]
            yield last


PEERS = {"transformers": Transformers, "genai": Genai, "llama.cpp": Llama}


def streams(peer, prompts, new):
    start = time.perf_counter()
    first = {}
    for tokens in peer.generate(prompts, new):
        now = time.perf_counter() - start
        for n in tokens if isinstance(tokens, dict) else range(len(tokens)):
            first.setdefault(n, now)
    return {"first_s": [first[n] for n in range(len(prompts))], "total_s": time.perf_counter() - start}


def single(peer, prompt, new):
    start = time.perf_counter()
    tokens, first = [], None
    for found in peer.generate([prompt], new):
        first = first or time.perf_counter() - start
        tokens.append(found[0])
    return {"first_s": first, "decode_s": time.perf_counter() - start - first, "tokens": tokens}


def main() -> None:
    name, model, threads = sys.argv[1:]
    start = time.perf_counter()
    peer = PEERS[name](model, int(threads))
    print(json.dumps({"load_s": time.perf_counter() - start, "memory": memory()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        match order["do"]:
            case "single":
                answer = single(peer, order["prompt"], order["new"])
            case "streams":
                answer = streams(peer, order["prompts"], order["new"])
            case "reference":
                answer = peer.reference(order["prompt"], order["new"])
            case "memory":
                answer = {"memory": memory()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
