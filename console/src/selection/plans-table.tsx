/** The ladder and the most relevant other plans, with the reason why they are not on it. */
import type { ReactElement } from 'react';
import type { SelectionPlanBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { fixed, ms, percent, rate, usd } from '../kit/format/format.ts';
import { cascadeOf, isDominated, type SelectionPlan } from '../kit/plans/selection-plans.ts';
import { StateMark } from '../kit/state-mark.tsx';

export function PlansTable({ body }: { readonly body: SelectionPlanBody }): ReactElement {
  const { plans, ladder, floor_plan: floorPlan, top_plan: topPlan } = body;
  const rows = plans.filter((plan) => cascadeOf(plan.plan) === null || ladder.includes(plan.plan) || !isDominated(plan, plans));
  const role = ({ plan }: SelectionPlan): string =>
    plan === floorPlan && plan === topPlan ? 'serves' : plan === floorPlan ? 'floor plan' : plan === topPlan ? 'top plan' : 'on the ladder';
  return (
    <Card title="Plans" footer={`Fastest first. ${plans.length} plans were evaluated; those that another plan beats in both are left out.`}>
      <DataTable
        caption="Plans with accuracy, cost and proof"
        isDense
        rows={rows}
        keyOf={({ plan }) => plan}
        isSelected={({ plan }) => ladder.includes(plan)}
        columns={[
          { title: 'Plan', cell: ({ plan }) => <span className="plan-name">{plan}</span>, sort: ({ plan }) => plan },
          { title: 'Accuracy', isNumber: true, cell: ({ accuracy }) => fixed(accuracy, 4), sort: ({ accuracy }) => accuracy },
          { title: '95 %', isNumber: true, isWide: true, cell: ({ low, high }) => `${fixed(low, 4)} to ${fixed(high, 4)}` },
          {
            title: 'Goes on',
            isNumber: true,
            isWide: true,
            cell: ({ plan, escalated }) => (cascadeOf(plan) === null ? '–' : `${percent(escalated)} %`),
            sort: ({ escalated }) => escalated,
          },
          { title: 'Rows/s', isNumber: true, cell: ({ rows_per_second: each }) => rate(each), sort: ({ rows_per_second: each }) => each },
          { title: 'Batch', isNumber: true, isWide: true, cell: ({ batch, full_batch_ms: full }) => `${batch} in ${ms(full)} ms` },
          { title: 'Per hour', isNumber: true, cell: ({ usd_per_hour: each }) => usd(each), sort: ({ usd_per_hour: each }) => each },
          {
            title: 'Proof',
            cell: ({ certified }) => <StateMark kind={certified ? 'ok' : 'zero'}>{certified ? 'Certified' : 'Not certified'}</StateMark>,
          },
          { title: 'Why', isWide: true, className: 'why-not', cell: (plan) => plan.rejected ?? role(plan) },
        ]}
      />
    </Card>
  );
}
