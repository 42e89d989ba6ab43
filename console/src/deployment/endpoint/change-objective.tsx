/** Changes the objective of a running endpoint on a slider, with the price at the recorded traffic before and after. */
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useMemo, useState } from 'react';
import type { EndpointBody, VariantBody } from '../../../../src/api/index.ts';
import { patch, path } from '../../api/client.ts';
import { deploymentPlanQuery } from '../../api/model-queries.ts';
import { endpointQuery, historyQuery } from '../../api/queries.ts';
import { FormDialog } from '../../kit/form-dialog.tsx';
import { fixed, objective as formatObjective, parseObjectiveText, sentence } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { LoadFailure } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { sumsOf } from '../decisions/history-sums.ts';
import { defaultDraft, objectiveOf } from '../deploy/draft.ts';
import { rateText } from '../deploy/format-plan.ts';
import { ObjectiveFields, type ObjectiveValue, Percentiles } from '../deploy/objective-fields.tsx';
import { recordedTraffic } from '../deploy/recorded-traffic.ts';
import { useSettled } from '../deploy/use-draft.ts';
import { shareOf } from './endpoint-variants.tsx';
import { curveWithin, instanceLimits, limitsText, type PlannedTraffic, planBodyFor, priceWithin } from './objective-price.ts';

interface ChangeObjectiveProps {
  readonly endpoint: EndpointBody;
  readonly onClose: () => void;
}

export function ChangeObjective({ endpoint, onClose }: ChangeObjectiveProps): ReactElement {
  const client = useQueryClient();
  const before = parseObjectiveText(endpoint.objective);
  const [value, setValue] = useState<ObjectiveValue>(before ?? defaultDraft);
  const [isNone, setIsNone] = useState(before === null);
  const [variant] = endpoint.variants;
  const chosen = isNone ? null : objectiveOf(value);
  // The API's notation of an unchanged objective can differ: p95<=1s and p95<=1000ms.
  const isChanged = isNone ? before !== null : before?.percentile !== value.percentile || before.latencyMs !== value.latencyMs;
  const save = async (): Promise<void> => {
    const changed = await patch<EndpointBody>(path('/endpoints/:endpoint', { endpoint: endpoint.name }), { objective: chosen });
    client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
  };
  return (
    <FormDialog
      title={`Objective of ${endpoint.name}`}
      action={chosen === null ? 'Remove objective' : `Change to ${formatObjective(chosen)}`}
      failure="The objective was not changed."
      isReady={isChanged}
      size="lg"
      onSave={save}
      onClose={onClose}
    >
      <Percentiles
        percentile={isNone ? null : value.percentile}
        onNone={() => setIsNone(true)}
        onChange={(percentile) => {
          setIsNone(false);
          setValue({ ...value, percentile });
        }}
      />
      {isNone || variant === undefined ? (
        <p className="mut">Without an objective, no request counts as late.</p>
      ) : (
        <Priced endpoint={endpoint} variant={variant} value={value} change={(change) => setValue({ ...value, ...change })} />
      )}
    </FormDialog>
  );
}

const hour = { periodS: 60, spanS: 3600, fromMs: null, toMs: null } as const;
const debounceMs = 80;

interface PricedProps {
  readonly endpoint: EndpointBody;
  readonly variant: VariantBody;
  readonly value: ObjectiveValue;
  readonly change: (change: Partial<ObjectiveValue>) => void;
}

function Priced({ endpoint, variant, value, change }: PricedProps): ReactElement {
  const { traffic, isRecorded, measuredUsd } = useHour(endpoint, variant);
  const objective = useSettled(objectiveOf(value), debounceMs);
  const bodyFor = (text: string) => planBodyFor(variant, text, traffic ?? defaultDraft);
  const isReady = traffic !== null;
  const after = useQuery({ ...deploymentPlanQuery(bodyFor(objective)), enabled: isReady, placeholderData: keepPreviousData });
  const before = useQuery({
    ...deploymentPlanQuery(bodyFor(endpoint.objective ?? objective)),
    enabled: isReady && endpoint.objective !== null,
  });
  // The curve does not depend on the latency of the request, which is fixed so that the curve is cached.
  const anyLatency = objective.replace(/<=.*/, '<=50ms');
  const curve = useQuery({
    ...deploymentPlanQuery({ ...bodyFor(anyLatency), curve: true }),
    enabled: isReady,
    placeholderData: keepPreviousData,
  });
  const limits = instanceLimits(variant);
  const points = curve.data?.curve === null || curve.data === undefined ? null : curveWithin(curve.data.curve, curve.data, limits);
  const [usdBefore, usdAfter] = [before.data, after.data].map((plan) => (plan === undefined ? null : priceWithin(plan, limits)));
  return (
    <>
      <div>
        <ObjectiveFields value={value} change={change} curve={points} usdPerHour={usdAfter ?? null} />
      </div>
      {traffic === null ? null : <Traffic traffic={traffic} isRecorded={isRecorded} />}
      {after.error === null ? null : <LoadFailure error={after.error} what="The price is not known." />}
      <Prices before={usdBefore ?? null} after={usdAfter ?? null} measured={measuredUsd} now={endpoint.objective} then={objective} />
      {after.data !== undefined && usdAfter === null ? (
        <Note tone="warn" title={`No setting of ${endpoint.name} meets ${formatObjective(objective)}.`}>
          {after.data.chosen === null
            ? sentence(after.data.reason ?? '')
            : `Its limits are ${limitsText(variant)}. Without them, it would cost ${usdFine(after.data.chosen.usd_per_hour)} per hour.`}
        </Note>
      ) : (
        <p className="sm dim">The cheapest setting within its limits: {limitsText(variant)}.</p>
      )}
    </>
  );
}

function Traffic({ traffic, isRecorded }: { readonly traffic: PlannedTraffic; readonly isRecorded: boolean }): ReactElement {
  const { ratePerSecond, peakFactor } = traffic;
  return (
    <p className="mut">
      {isRecorded ? 'Traffic of the last hour' : 'No traffic in the last hour; assumed'}: <b className="t">{rateText(ratePerSecond)} /s</b>,
      peak minute <b className="t">{fixed(peakFactor, 2)} ×</b> the average.
    </p>
  );
}

/** The traffic of the variant in the last hour, and the endpoint's measured cost. `traffic` is null while it is loading. */
function useHour(endpoint: EndpointBody, variant: VariantBody) {
  const { data, error } = useQuery(historyQuery(endpoint.name, hour));
  return useMemo(() => {
    if (data === undefined) return { traffic: error === null ? null : defaultDraft, isRecorded: false, measuredUsd: null };
    const recorded = recordedTraffic(data.columns.rate);
    const share = shareOf(variant, endpoint);
    const traffic =
      recorded === null || share === 0 ? null : { ...recorded, ratePerSecond: Number((recorded.ratePerSecond * share).toPrecision(3)) };
    return { traffic: traffic ?? defaultDraft, isRecorded: traffic !== null, measuredUsd: sumsOf(data).usdPerHour };
    // Live updates of the endpoint must not restart the plan while the slider moves.
  }, [data, error, endpoint.name, variant.name]);
}

interface PricesProps {
  readonly before: number | null;
  readonly after: number | null;
  readonly measured: number | null;
  readonly now: string | null;
  readonly then: string;
}

function Prices({ before, after, measured, now, then }: PricesProps): ReactElement {
  // An objective that cannot be met has no predicted price, but the endpoint has a cost.
  const known = before ?? measured;
  const difference = known === null || after === null ? null : after - known;
  const share = difference === null || known === null || known === 0 ? null : difference / known;
  // Less than half a percent is not a difference between a prediction and a measurement.
  const isSame = difference === null || Math.abs(share ?? 0) < 0.005;
  const sign = isSame ? '' : difference > 0 ? '+' : '−';
  return (
    <div aria-live="polite">
      <NumberStrip
        numbers={[
          {
            label: `Now, ${formatObjective(now)}`,
            ...perHour(known),
            note: before === null ? 'measured' : measured === null ? 'predicted' : `predicted; measured ${usdFine(measured)}`,
          },
          { label: `Then, ${formatObjective(then)}`, ...perHour(after), note: 'predicted' },
          {
            label: 'Difference',
            ...perHour(difference === null ? null : isSame ? 0 : Math.abs(difference), sign),
            note: share === null ? '' : `${sign}${fixed(Math.abs(share) * 100)} %`,
          },
        ]}
      />
    </div>
  );
}

function perHour(usd: number | null, sign = ''): { readonly value: string; readonly unit?: string } {
  return usd === null ? { value: '–' } : { value: `${sign}${usdFine(usd)}`, unit: '/h' };
}
