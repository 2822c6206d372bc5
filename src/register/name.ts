import type {nameWords} from '../../targets/name-words.ts';
import type {Image} from '../spec/image.ts';

/** What an image is to be called, with the words of `register.name` filled in. */
export function registeredName(
  template: string,
  {image, target, digest}: {readonly image: Image; readonly target: string; readonly digest: string},
): string {
  const values: Readonly<Record<(typeof nameWords)[number], string>> = {
    image: image.name,
    target,
    release: image.os.release,
    architecture: image.os.architecture,
    digest: digest.slice(0, 12),
  };
  return template.replaceAll(/\{([a-z]+)\}/g, (text, word: string) =>
    Object.hasOwn(values, word) ? values[word as keyof typeof values] : text,
  );
}
