/** Kills servers and workers with SIGKILL. */
import { Server } from '../end-to-end/server.ts';

/** Kills the server, and resolves to a new one on the same directory. */
export async function killServer(server: Server, flags: readonly string[] = []): Promise<Server> {
  server.signal('SIGKILL');
  await server.ended;
  return Server.start({ dataDir: server.dataDir, flags });
}

/** Returns false if no worker is running. */
export function killWorker(server: Server, random: () => number): boolean {
  const workers = server.workers();
  const victim = workers[Math.floor(random() * workers.length)];
  if (victim === undefined) return false;
  try {
    process.kill(victim.pid, 'SIGKILL');
  } catch {
    return false; // It exited by itself.
  }
  return true;
}
