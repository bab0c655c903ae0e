import type { Plan } from './job.ts';
import { planInsteadOfCopy } from './planner.ts';
import type { HeldTask } from './task-repository.ts';

/** What is encoded when the source's own pictures or sound could not be copied; null when that does not help. */
export function tasksAfterFailedCopy({ spec, job }: HeldTask): Plan | null {
  if (spec.kind !== 'copy' || job.probe === null) return null;
  const plan = planInsteadOfCopy(
    spec,
    { probe: job.probe, plan: job.plan },
    {
      createdAtS: job.created_at.getTime() / 1000,
      durationSeconds: job.probe.durationSeconds,
      isUrgent: job.is_urgent,
    },
  );
  return plan.tasks.length > 0 ? plan : null;
}
