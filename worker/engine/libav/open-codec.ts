import { AV_OPT_SEARCH_CHILDREN } from 'node-av/constants';
import { type Codec, type CodecContext, Option } from 'node-av/lib';
import { check } from './ffmpeg-failure.ts';

/**
 * Opens an encoder or decoder that was allocated for `codec`. Options are set one by one, because node-av 6.1 frees a
 * dictionary that was given to `open2` once too often, which ruins the heap.
 */
export function openCodec(
  context: CodecContext,
  codec: Codec,
  options: Readonly<Record<string, string>> = {},
): void {
  const doing = `opening ${codec.name}`;
  for (const [name, value] of Object.entries(options))
    check(
      Option.set(context.getNative(), name, value, AV_OPT_SEARCH_CHILDREN),
      `${doing} (${name}=${value})`,
    );
  check(context.open2Sync(codec, null), doing);
}
