/**
 * What V8 is told by programs that answer requests for weeks, the server and its workers, when they begin. It is set by `setFlagsFromString`, which passes
 * over what a later V8 no longer knows; `node` itself would not start.
 */
export const v8Flags: readonly string[] = [
  // V8 stops putting functions into one that is hot once they are 920 bytes of bytecode, in the middle of the road of a request.
  '--max-inlined-bytecode-size=1000',
  '--max-inlined-bytecode-size-cumulative=4000',
  // Collecting garbage in a lull, V8 forgets the shapes of objects of which there are none just then (connections and requests), and throws away all
  // code that was compiled for them. What is compiled when traffic comes back was 10 to 25 % slower, for good. Garbage is collected in lulls all the same.
  '--no-memory-reducer-favors-memory',
];
