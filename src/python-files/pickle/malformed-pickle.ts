/** Python cannot read the file either, or reads it in another way than any library writes it. */
export class MalformedPickle extends Error {}

/** The file ends before its last pickle does. */
export class CutOffPickle extends MalformedPickle {
  constructor() {
    super('it is cut off');
  }
}
