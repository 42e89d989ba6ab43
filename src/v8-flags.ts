/**
 * V8 flags of long-running programs (server and workers), set at startup. `setFlagsFromString` ignores flags that a later V8 does not know.
 * With flags passed as options of `node`, the program would not start.
 */
export const v8Flags: readonly string[] = [
  // By default V8 stops inlining into a function at 920 bytes of bytecode, a limit that the request path reaches.
  '--max-inlined-bytecode-size=1000',
  '--max-inlined-bytecode-size-cumulative=4000',
  // When V8 collects garbage while idle, it drops object shapes without instances (connections, requests) and all code compiled for them.
  // The code compiled again later was permanently 10 to 25 % slower. V8 still collects garbage while idle.
  '--no-memory-reducer-favors-memory',
  // While the young generation is still small, all requests in flight survive its collections. V8 then creates every later request in the old
  // generation, for good: 1.4 KB of each outlived its response until the next full collection, and collecting took a quarter of the processor time.
  '--no-allocation-site-pretenuring',
];

/**
 * Whether V8 may enlarge the young generation, of 1 MiB at first. A server loads its modules without: nearly all that they create stays, so
 * it would grow to 64 MiB, whose pages remain. A worker of ONNX models, which creates few objects for a run, always does without.
 */
export const youngGeneration = { fixed: '--semi-space-growth-factor=1', growing: '--semi-space-growth-factor=2' } as const;

/**
 * Set once a server is ready. Bodies that wait lie outside V8's heap. By default each 64 MiB of them begin a full collection, whose threads
 * keep two cores busy for 100 ms: under overload four in eight seconds. With the second flag they count towards the size at which the heap is
 * collected anyway: one or two. Workers and gateway processes do without: the queue is not there.
 */
export const servingFlags: readonly string[] = [youngGeneration.growing, '--external-memory-accounted-in-global-limit'];
