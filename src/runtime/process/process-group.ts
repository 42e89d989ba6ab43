/**
 * The server starts each worker as the leader of its own process group. Children of the process belong to the group unless they left it.
 */
export function signalGroup(signal: NodeJS.Signals): void {
  try {
    process.kill(-process.pid, signal);
  } catch {
    // There is no such process.
  }
}
