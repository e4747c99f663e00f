"""Writes the first entries of the corpus: one sound file for each target. What fuzzing found is added by hand beside them."""

import io
import json
import zipfile
from pathlib import Path

from PIL import Image

CORPUS = Path(__file__).parent / "corpus"


def _png(mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (16, 16), 1 if mode in ("L", "P") else (9, 90, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cats/1.png", _png())
        archive.writestr("dogs/ü.txt", "a" * 500)
    return buffer.getvalue()


_COCO = {
    "images": [
        {"id": 1, "file_name": "1.png", "width": 16, "height": 16},
        {"id": 7, "file_name": "2.png", "width": 16, "height": 16},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 3,
            "bbox": [1, 2, 5, 6],
            "area": 30,
            "iscrowd": 0,
            "segmentation": [[1, 2, 6, 2, 6, 8]],
        },
        {
            "id": 2,
            "image_id": 7,
            "category_id": 9,
            "bbox": [0, 0, 4, 4],
            "iscrowd": 1,
            "segmentation": {"size": [16, 16], "counts": [0, 4, 252]},
        },
        {
            "id": 3,
            "image_id": 7,
            "category_id": 3,
            "bbox": [0, 0, 4, 4],
            "keypoints": [1, 1, 2, 0, 0, 0],
            "num_keypoints": 1,
        },
    ],
    "categories": [
        {"id": 3, "name": "cat", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
        {"id": 9, "name": "dog"},
    ],
}
_LABELME = {
    "version": "5.2.1",
    "flags": {},
    "shapes": [
        {"label": "cat", "points": [[1, 1], [9, 1], [9, 9]], "group_id": None, "shape_type": "polygon", "flags": {}},
        {"label": "dog", "points": [[1, 1], [5, 5]], "group_id": 1, "shape_type": "rectangle", "flags": {"a": True}},
    ],
    "imagePath": "1.png",
    "imageData": None,
    "imageHeight": 16,
    "imageWidth": 16,
}
_DATUMARO = {
    "info": {},
    "categories": {"label": {"labels": [{"name": "cat", "parent": ""}, {"name": "dog", "parent": ""}]}},
    "items": [
        {
            "id": "1",
            "image": {"path": "1.png", "size": [16, 16]},
            "annotations": [
                {"id": 0, "type": "bbox", "label_id": 0, "bbox": [1, 1, 4, 4], "group": 1, "attributes": {"a": 1}},
                {"id": 1, "type": "polygon", "label_id": 1, "points": [1, 1, 9, 1, 9, 9], "group": 0, "attributes": {}},
                {"id": 2, "type": "label", "label_id": 1, "group": 0, "attributes": {}},
            ],
        }
    ],
}
_VOC = """<annotation><folder>JPEGImages</folder><filename>1.png</filename>
<size><width>16</width><height>16</height><depth>3</depth></size>
<object><name>cat</name><pose>Left</pose><truncated>0</truncated><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9.5</xmax>
<ymax>9</ymax></bndbox></object></annotation>"""
_CVAT = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><labels><label><name>cat</name>
<attributes><attribute><name>old</name><input_type>checkbox</input_type></attribute></attributes></label></labels></task></meta>
<image id="0" name="1.png" width="16" height="16"><box label="cat" occluded="0" xtl="1" ytl="2" xbr="9"
ybr="9" rotation="10" z_order="0">
<attribute name="old">true</attribute></box><polygon label="cat" points="1,1;9,1;9,9"/>
<mask label="cat" rle="0, 4, 4" left="1" top="1" width="2" height="4"/>
<points label="cat" points="1,1;2,2"/></image></annotations>"""

SEEDS: dict[str, bytes] = {
    "archive": _zip(),
    "yaml": b"train: ../train/images\nnc: 2\nnames: ['a', \"b\"]\nkpt_shape: [17, 3]\nlr: 1e-4\na: &x [1]\nb: *x\n",
    "image": _png(),
    "coco": json.dumps(_COCO).encode(),
    "coco_roboflow": json.dumps(_COCO).encode(),
    "yolo": b"0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.9 0.1 0.9 0.9\n",
    "yolo_yaml": b"path: /\ndownload: x\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n",
    "voc": _VOC.encode(),
    "labelmap": b"# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\n",
    "cvat": _CVAT.encode(),
    "labelme": json.dumps(_LABELME).encode(),
    "datumaro": json.dumps(_DATUMARO).encode(),
    "metadata_jsonl": b'{"file_name": "1.png", "text": "a cat"}\n'
    b'{"file_name": "2.png", "objects": {"bbox": [[1, 1, 4, 4]], "categories": [0]}}\n',
    "metadata_csv": b'file_name,text,label\n1.png,"a, cat",cat\n2.png,"a ""dog""",dog\n',
    "caption": "a photo of a cät, outside\nsecond line\n".encode(),
    "captions_jsonl": b'{"file_name": "1.png", "caption": "a cat"}\n{"image": "2.png", "text": "a dog"}\n',
    "mask": _png("L"),
    "mask_classes": b"name,r,g,b\nbackground,0,0,0\ncat,9,90,200\n",
}

if __name__ == "__main__":
    for name, content in SEEDS.items():
        path = CORPUS / name / "sound"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
