/** A process model that uses no CPU: it responds after SLEEP_MS. */
import { createServer } from 'node:http';

const sleepMs = Number(process.env.SLEEP_MS);

createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.url === '/ping') return response.end();
    setTimeout(() => response.end('{"slept":true}'), sleepMs);
  });
}).listen(Number(process.env.SAGEMAKER_BIND_TO_PORT), '127.0.0.1');
