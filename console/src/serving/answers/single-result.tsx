/** The result of one row: prediction, receipt, explanation of its latency, and code. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { requestQuery } from '../../api/queries.ts';
import { Card } from '../../kit/card.tsx';
import { percent, sentence } from '../../kit/format/format.ts';
import type { RowValues } from '../mapping.ts';
import { answerShape, type InputSignature } from '../signature.ts';
import type { InvokedRows } from '../use-invoke.ts';
import { judge, valuesText } from './answers.ts';
import { ProbabilityBars } from './probability-bars.tsx';
import { ReceiptCard } from './receipt-card.tsx';
import { SnippetsCard } from './snippets-card.tsx';

interface SingleProps {
  readonly endpoint: EndpointBody;
  readonly signature: InputSignature;
  readonly values: RowValues;
  readonly labels: readonly string[] | null;
  readonly invoked: InvokedRows | null;
}

export function SingleResult({ endpoint, signature, values, labels, invoked }: SingleProps): ReactElement {
  const receipt = invoked?.receipts[0] ?? null;
  return (
    <div className="stack" aria-live="polite">
      {invoked === null ? null : <Prediction signature={signature} labels={labels} invoked={invoked} />}
      {receipt === null ? null : (
        <ReceiptCard title="Receipt" receipt={receipt} objective={endpoint.objective} totalMs={invoked?.totalMs ?? 0} />
      )}
      {invoked?.requestId === null || invoked === null ? null : <RequestExplanation request={invoked.requestId} />}
      <SnippetsCard endpoint={endpoint.name} signature={signature} values={values} of="this row" />
    </div>
  );
}

const charactersShown = 80;

function Prediction({
  signature,
  labels,
  invoked,
}: Pick<SingleProps, 'signature' | 'labels'> & { readonly invoked: InvokedRows }): ReactElement | null {
  const judged = judge(invoked.predictions.slice(0, 1), [null], answerShape(signature), labels);
  const [answer] = judged.answers;
  if (answer === undefined) return null;
  const [prediction] = invoked.predictions;
  const shown = answer.answer.length > charactersShown ? `${answer.answer.slice(0, charactersShown)}…` : answer.answer;
  return (
    <Card title="Prediction" end={<span className="mono">version {invoked.modelVersion}</span>} padded>
      <p className="answered said">
        {shown}
        {answer.sure === null ? null : <span className="u">{percent(answer.sure)} % confidence</span>}
      </p>
      <ProbabilityBars answer={answer} classes={judged.classes} />
      {answer.probabilities === null && valuesText(prediction) !== shown ? (
        <pre>{JSON.stringify(prediction, null, 1).slice(0, 2000)}</pre>
      ) : null}
    </Card>
  );
}

function RequestExplanation({ request }: { readonly request: string }): ReactElement | null {
  const { data } = useQuery(requestQuery(request));
  if (data === undefined) return null;
  return (
    <Card title="Latency explained" end={<span className="mono">{request}</span>} padded>
      <ul className="story">
        {data.explanation.map((line) => (
          <li key={line}>{sentence(line)}</li>
        ))}
      </ul>
    </Card>
  );
}
