/** Deploy: a model and a promise on the left; what Penstock would choose for them, and what that would cost, on the right. */
import { usdFine } from '../kit/money.ts';
import './deploy-page.css';
import { Button } from '@mantine/core';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useEffect, useState } from 'react';
import type { DeploymentPlanBody, EndpointBody } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { deploymentPlanQuery } from '../api/model-queries.ts';
import { endpointsQuery, overviewQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Copy } from '../kit/code.tsx';
import { Empty } from '../kit/empty.tsx';
import { Icon } from '../kit/icon.tsx';
import { Failure, Skeletons } from '../kit/loaded.tsx';
import { Page } from '../kit/page.tsx';
import { useSearchValues } from '../kit/search-state.ts';
import { nearestPossible } from './deploy/cost-curve.ts';
import { FromCatalogue } from './deploy/from-catalogue.tsx';
import { type ModelsToDeploy, useModelsToDeploy } from './deploy/models-to-deploy.ts';
import { Alternatives, PlanCard } from './deploy/plan-card.tsx';
import { afterClick, payWords } from './deploy/plan-words.ts';
import { type Deployed, StagesCard } from './deploy/stages-card.tsx';
import { useSettled, useWish } from './deploy/use-wish.ts';
import { commandOf, endpointOf, nameTrouble, planBodyOf, proposedName, type Wish } from './deploy/wish.ts';
import { LimitsCard, ModelCard, PromiseCard, TrafficCard } from './deploy/wish-cards.tsx';

export function DeployPage(): ReactElement {
  const mayDeploy = useMay('deploy');
  return (
    <Page
      title="Deploy a model"
      facts={<span>Say what you promise. Penstock picks the cheapest setting that keeps it, and keeps picking while traffic changes.</span>}
    >
      {mayDeploy ? (
        <Planned />
      ) : (
        <Empty
          title="Your role does not deploy"
          actions={
            <Button variant="filled" renderRoot={(props: object) => <Link to="/endpoints" {...props} />}>
              See the endpoints
            </Button>
          }
        >
          Deployers, approvers and administrators do. What is deployed can be looked at.
        </Empty>
      )}
    </Page>
  );
}

function Planned(): ReactElement {
  const [wish, change] = useWish();
  const [{ catalogue }, write] = useSearchValues();
  const models = useModelsToDeploy(wish.model);
  const { isLoaded, error, names, proposed } = models;
  const isMissing = isLoaded && catalogue === undefined && !names.includes(wish.model);
  // A version that is not there, or not approved, cannot be planned for.
  useEffect(() => {
    if (isMissing && proposed !== null) change({ model: proposed });
  }, [isMissing, proposed, change]);
  if (error !== null) return <Failure error={error} what="The models could not be loaded." />;
  if (!isLoaded) return <Skeletons heights={[110, 260, 150]} />;
  if (catalogue !== undefined) {
    const take = (model: string): void => {
      write({ catalogue: undefined, model }, { replace: true });
      change({ model });
    };
    return <FromCatalogue name={catalogue} onTaken={take} />;
  }
  if (proposed === null) return <NothingApproved />;
  return <Planning wish={wish} change={change} models={models} />;
}

function NothingApproved(): ReactElement {
  return (
    <Empty
      title="No version is approved yet"
      actions={
        <>
          <Button variant="filled" renderRoot={(props: object) => <Link to="/models" {...props} />}>
            Open the models
          </Button>
          <Button renderRoot={(props: object) => <Link to="/deploy" search={{ catalogue: 'digits-mlp' }} {...props} />}>
            Start with digits
          </Button>
        </>
      }
      command="penstock deploy model.onnx --objective 'p95<=50ms' --approve"
    >
      Only approved versions are deployed. Upload a model and approve it, or start from one that comes with Penstock.
    </Empty>
  );
}

interface PlanningProps {
  readonly wish: Wish;
  readonly change: (change: Partial<Wish>) => void;
  readonly models: ModelsToDeploy;
}

/** So long after the last move the plan is asked for. */
const quietMs = 80;

function usePlan(wish: Wish) {
  const body = useSettled(JSON.stringify(planBodyOf(wish)), quietMs);
  const order = JSON.parse(body) as Record<string, unknown> & { objective: string };
  const isReady = order['model'] !== '';
  const plan = useQuery({ ...deploymentPlanQuery(order), enabled: isReady, placeholderData: keepPreviousData });
  // The curve is the same wherever the slider stands.
  const anyLatency = order.objective.replace(/<=.*/, '<=50ms');
  const curve = useQuery({
    ...deploymentPlanQuery({ ...order, objective: anyLatency, curve: true }),
    enabled: isReady,
    placeholderData: keepPreviousData,
  });
  const isOld = plan.isPlaceholderData || body !== JSON.stringify(planBodyOf(wish));
  return { plan, curve: curve.data?.curve ?? null, isOld };
}

function Planning({ wish, change, models }: PlanningProps): ReactElement {
  const [deployed, setDeployed] = useState<Deployed | null>(null);
  const { data: endpoints } = useQuery(endpointsQuery());
  const { data: overview } = useQuery(overviewQuery(86_400));
  const taken = (endpoints?.items ?? []).map((endpoint) => endpoint.name);
  const name = wish.name ?? proposedName(wish.model, taken);
  const trouble = deployed === null && endpoints !== undefined ? nameTrouble(name, taken) : null;
  const group = wish.model.split('/')[0] ?? '';
  const recorded = overview?.endpoints.find(
    ({ models, requests }) => requests > 0 && models.some((model) => model.startsWith(`${group}/`)),
  );
  const { plan, curve, isOld } = usePlan(wish);
  return (
    <div className="grid deploy">
      <div className="c5 stack">
        <ModelCard wish={wish} change={change} name={deployed?.name ?? name} nameTrouble={trouble} models={models} />
        <PromiseCard wish={wish} change={change} curve={curve} plan={isOld ? undefined : plan.data} />
        <TrafficCard wish={wish} change={change} recorded={recorded} />
        <LimitsCard wish={wish} change={change} />
      </div>
      <div className="c7 stack">
        {plan.data === undefined && plan.error === null ? <Skeletons heights={[360, 220]} /> : null}
        {plan.error === null || plan.isPlaceholderData ? null : (
          <Failure error={plan.error} what="There is no plan." onRetry={() => void plan.refetch()} isBusy={plan.isFetching} />
        )}
        {plan.data === undefined ? null : (
          <>
            <PlanCard
              plan={plan.data}
              isOld={isOld}
              keepOne={wish.keepOne}
              nearestMs={curve === null ? null : nearestPossible(curve)}
              onNearest={(latencyMs) => change({ latencyMs })}
            />
            <Alternatives plan={plan.data} isOld={isOld} />
            {deployed === null ? (
              <Go wish={wish} name={name} plan={plan.data} isReady={!isOld && trouble === null} onDeployed={setDeployed} />
            ) : (
              <StagesCard
                deployed={deployed}
                onAgain={() => {
                  setDeployed(null);
                  change({ name: null });
                }}
              />
            )}
          </>
        )}
      </div>
    </div>
  );
}

interface GoProps {
  readonly wish: Wish;
  readonly name: string;
  readonly plan: DeploymentPlanBody;
  readonly isReady: boolean;
  readonly onDeployed: (deployed: Deployed) => void;
}

/** The button with the price. */
function Go({ wish, name, plan, isReady, onDeployed }: GoProps): ReactElement {
  const client = useQueryClient();
  const { chosen } = plan;
  const deploy = useMutation({
    mutationFn: async (mixture: NonNullable<typeof chosen>) => {
      const sinceMs = performance.now();
      const made = await post<EndpointBody>('/endpoints', endpointOf(wish, name, plan, mixture));
      return { name: made.name, instances: mixture.instances, sinceMs };
    },
    onSuccess: async (deployed) => {
      onDeployed(deployed);
      await client.invalidateQueries({ queryKey: ['endpoints'] });
    },
  });
  return (
    <section className="card bar-go" aria-label="Deploy">
      <div className="body row wrap">
        <p className="mut">
          {chosen === null ? 'What cannot be kept is not deployed from here.' : `${afterClick(chosen)} ${payWords(chosen, wish.keepOne)}`}
        </p>
        {chosen === null ? null : <Copy text={commandOf(wish, name, plan, chosen)} label="Copy as CLI" />}
        <Button
          variant="filled"
          leftSection={<Icon name="play" />}
          disabled={!isReady || chosen === null}
          loading={deploy.isPending}
          onClick={() => chosen !== null && deploy.mutate(chosen)}
        >
          {chosen === null ? 'Deploy' : `Deploy for ${usdFine(chosen.usd_per_hour)} per hour`}
        </Button>
      </div>
      {deploy.error === null ? null : (
        <div className="body">
          <Failure error={deploy.error} what={`${name} was not deployed.`} />
        </div>
      )}
    </section>
  );
}
