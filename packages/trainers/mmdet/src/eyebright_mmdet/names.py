"""Short names for a choice of MMDetection's configurations. Nothing here imports the framework."""

SHORT = {
    "rtmdet_tiny": "rtmdet_tiny_8xb32-300e_coco",
    "rtmdet_s": "rtmdet_s_8xb32-300e_coco",
    "rtmdet_m": "rtmdet_m_8xb32-300e_coco",
    "rtmdet_l": "rtmdet_l_8xb32-300e_coco",
    "yolox_nano": "yolox_nano_8xb8-300e_coco",
    "yolox_tiny": "yolox_tiny_8xb8-300e_coco",
    "yolox_s": "yolox_s_8xb8-300e_coco",
    "yolox_m": "yolox_m_8xb8-300e_coco",
    "yolox_l": "yolox_l_8xb8-300e_coco",
    "ssdlite_mobilenetv2": "ssdlite_mobilenetv2-scratch_8xb24-600e_coco",
    "retinanet_r18": "retinanet_r18_fpn_1x_coco",
    "retinanet_r50": "retinanet_r50_fpn_1x_coco",
    "fcos_r18": "fcos_r18_fpn_gn-head-center-normbbox-centeronreg-giou_8xb8-amp-lsj-200e_coco",
    "fcos_r50": "fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco",
    "atss_r18": "atss_r18_fpn_8xb8-amp-lsj-200e_coco",
    "atss_r50": "atss_r50_fpn_1x_coco",
    "gfl_r50": "gfl_r50_fpn_1x_coco",
    "freeanchor_r50": "freeanchor_r50_fpn_1x_coco",
    "yolof_r50": "yolof_r50-c5_8xb8-1x_coco",
    "centernet_update_r18": "centernet-update_r18_fpn_8xb8-amp-lsj-200e_coco",
}
