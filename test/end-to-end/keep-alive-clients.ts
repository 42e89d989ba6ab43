/** A program: clients that send requests over keep-alive connections until the server closes. Prints how the connections ended. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as send } from 'node:http';

const [url = '', count = '32', body = ''] = process.argv.slice(2);
const ends: Record<string, number> = {};
const statuses: Record<string, number> = {};

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

async function use(thinkMs: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (;;) {
      const sent = send(url, { agent, ...(body === '' ? {} : { method: 'POST' }) });
      sent.end(body);
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      await response.toArray();
      add(statuses, String(response.statusCode));
      if (thinkMs > 0) await new Promise((resolve) => setTimeout(resolve, thinkMs));
    }
  } catch (error) {
    add(ends, (error as NodeJS.ErrnoException).code ?? String(error));
  }
}

const clients = Array.from({ length: Number(count) }, (_, i) => use((i % 4) * 10));
process.stdout.write('started\n');
await Promise.all(clients);
process.stdout.write(`${JSON.stringify({ ends, statuses })}\n`);
process.exit();
