# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization by error: weights and formats chosen so that the layers' outputs stay what they were."""
