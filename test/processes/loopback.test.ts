/** Model code that calls its server from loopback without a key does not get the rights of the operator. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { tarGz } from '../aws-registry-fixture.ts';
import { skip } from './index.ts';
import { TestServer } from './server.ts';

/** A model that calls `METHOD URL`, the body of an invocation, and returns the status. */
const caller = `
import http.server, os, urllib.error, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        method, url = self.rfile.read(int(self.headers["Content-Length"])).decode().split(" ")
        request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None, headers={"content-type": "application/json"})
        try:
            status = urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            status = error.code
        self.answer(str(status).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
`;

const isRoot = process.getuid?.() === 0;
for (const { when, config, isRecognized } of [
  { when: 'isolated as well as this machine allows', config: {}, isRecognized: isRoot },
  { when: 'not isolated by configuration', config: { isolation: { mode: 'none' } }, isRecognized: false },
]) {
  describe(`model code that calls the server, ${when},`, { skip }, () => {
    const server = new TestServer([{ match: 'test/caller', runtime: 'process', command: ['python3', 'caller.py'] }], config);
    before(async () => {
      await server.start();
      await server.deploy('caller', { image: 'test/caller:1', bundle: tarGz([{ path: 'caller.py', text: caller }]) });
      await server.until('caller', 'InService');
    });
    after(() => server.close());

    test('cannot create keys, approve versions or read files of the server', async () => {
      for (const path of ['/keys', '/groups/caller/versions/1/approval', '/transforms']) {
        const { status, text } = await server.invoke('caller', `POST ${server.url}/api/v1${path}`);
        assert.equal(status, 200, text);
        // With its own user id it is recognized. Otherwise no call without a key is permitted to do this.
        assert.equal(text, isRecognized ? '401' : '403', path);
      }
      assert.equal((await fetch(`${server.url}/api/v1/keys`)).status, isRecognized ? 200 : 403);
      assert.equal((await server.call('GET', '/keys')).status, 200, 'with a key');
    });
  });
}
