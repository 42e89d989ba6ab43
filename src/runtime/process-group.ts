/** The server starts each worker as the head of a group of its own; what the process starts is in it, unless it left. */
export function signalGroup(signal: NodeJS.Signals): void {
  try {
    process.kill(-process.pid, signal);
  } catch {
    // nobody is there
  }
}
