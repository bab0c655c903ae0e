import { spawn } from 'node:child_process';
import { z } from 'zod';

const answerSchema = z.object({
  packets: z.array(
    z.object({
      pts_time: z.coerce.number(),
      dts_time: z.coerce.number(),
      flags: z.string(),
      size: z.coerce.number(),
    }),
  ),
  streams: z.array(
    z.object({
      codec_name: z.string(),
      profile: z.string().optional(),
      width: z.number().optional(),
      height: z.number().optional(),
      channels: z.number().optional(),
      start_time: z.coerce.number(),
      duration: z.coerce.number(),
    }),
  ),
});
export type Probed = z.infer<typeof answerSchema>;

/** What Debian's ffprobe, which is none of ours, reads in a file of one track. Rejects with what it complained about. */
export async function ffprobe(bytes: Uint8Array): Promise<Probed> {
  const args = ['-v', 'warning', '-of', 'json', '-show_packets', '-show_streams', '-i', 'pipe:0'];
  const child = spawn('ffprobe', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const [output, complaints] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    new Promise<void>((resolve, reject) => {
      child.once('error', (cause) => reject(new Error('ffprobe is needed here: install ffmpeg', { cause })));
      // It may have read enough before the end.
      child.stdin.once('error', () => {});
      child.stdin.end(bytes, resolve);
    }),
  ]);
  if (complaints.length > 0) throw new Error(`ffprobe: ${complaints.join('')}`);
  return answerSchema.parse(JSON.parse(output.join('')));
}
