/** Sends a raw body to a model that runs as a process, and shows the raw response. */
import { Button, Select, Textarea } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { callForText, path } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { CodeBlock } from '../kit/code.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';

const types = ['application/json', 'text/csv', 'text/plain', 'application/jsonlines'];

export function RawTrial({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const [type, setType] = useState('application/json');
  const [body, setBody] = useState('{"instances": [[0]]}');
  const [answer, setAnswer] = useState<string | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const send = (): void => {
    setIsBusy(true);
    setError(null);
    callForText('POST', path('/endpoints/:endpoint/invoke', { endpoint: endpoint.name }), { body, contentType: type })
      .then(({ text }) => setAnswer(text), setError)
      .finally(() => setIsBusy(false));
  };
  return (
    <div className="grid">
      <Card title="Request" span={6} padded>
        <form
          className="confirm"
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <Select
            label="Content type"
            data={types}
            value={type}
            allowDeselect={false}
            onChange={(value) => setType(value ?? 'application/json')}
          />
          <Textarea
            label="Body"
            autosize
            minRows={8}
            className="mono"
            value={body}
            onChange={(event) => setBody(event.currentTarget.value)}
          />
          {error === null ? null : <LoadFailure error={error} what="The request failed." />}
          <div>
            <Button type="submit" variant="filled" loading={isBusy}>
              Send request
            </Button>
          </div>
        </form>
      </Card>
      <Card title="Response" span={6} padded>
        {answer === null ? <p className="mut">No request sent yet.</p> : <CodeBlock text={answer.slice(0, 100_000)} label="Response" />}
      </Card>
    </div>
  );
}
